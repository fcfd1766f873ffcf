"""What the commands of ``careline`` do, apart from triage, which stays light. Prints for people; exit statuses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import importlib
import logging
import os
import secrets
import signal
import sys
import time
import warnings
from pathlib import Path

from bot.settings import Settings, SettingsError, load_settings

FAILED = 1
USAGE = 2
DEMO_LOGIN = "demo"
LOGIN_FILE = "console-login.txt"
VECTORS = "cache"
"""Below the data folder: the articles' vectors, so that only changed articles are encoded again."""
OUR_LOGGERS = ("careline", "bot", "connectors", "generation", "nlu")


class CommandError(Exception):
    """A command cannot do what was asked. The message is for the person at the terminal."""


def say(line: str = "") -> None:
    """Print at once, also into a pipe."""
    print(line, flush=True)


def complain(message: str) -> int:
    """Print an error for a person; the exit status to return."""
    print(f"careline: {message}", file=sys.stderr, flush=True)
    return FAILED


def settings_or_exit(**given: object) -> Settings:
    """The settings, or CommandError with the variable's name."""
    try:
        return load_settings(**given)
    except SettingsError as error:
        raise CommandError(str(error)) from None


def set_up_logging(level: str) -> None:
    """Our loggers to standard error; libraries at WARNING, so that none of them prints what passes through it."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_ours_or_grave)
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())


def _ours_or_grave(record: logging.LogRecord) -> bool:
    """Whether a line is printed: a library's only from WARNING up, whatever level it gives itself."""
    return record.levelno >= logging.WARNING or record.name.split(".")[0] in OUR_LOGGERS


def serve(
    host: str | None = None, port: int | None = None, data: Path | None = None, clinic: Path | None = None
) -> int:
    """Run the assistant until it is told to stop."""
    began = time.perf_counter()
    try:
        settings = settings_or_exit(host=host, port=port, data=data, clinic=clinic)
        set_up_logging(settings.log_level)
        say("Starting Careline ...")
        _check_port(settings)
        asyncio.run(_serve(settings, began, load_libraries()))
    except CommandError as error:
        return complain(str(error))
    return 0


def load_libraries() -> float:
    """Import Rasa and the rest before the event loop is made; returns the seconds that took.

    One of the libraries puts another event loop policy in place on import, under which child processes of a
    loop made earlier cannot be watched; the standard one is put back.
    """
    began = time.perf_counter()
    # Recorded, not shown: libraries' own deprecations are nothing that an operator can mend, and one of them
    # puts the filters back while it is imported.
    with warnings.catch_warnings(record=not sys.warnoptions):
        importlib.import_module("bot.app")
        importlib.import_module("bot.dialogue.engine")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
    return time.perf_counter() - began


async def _serve(settings: Settings, began: float, libraries: float) -> None:
    from aiohttp import web

    from bot.server import make_app

    say(f"  {'libraries':12}{libraries:6.2f} s")
    careline = build_or_complain(settings)
    try:
        await start_or_complain(careline)
        runner = web.AppRunner(make_app(careline), access_log=None, shutdown_timeout=5.0)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise CommandError(port_problem(settings, error)) from None
        bound = runner.addresses[0][1] if runner.addresses else settings.port
        await _welcome(careline, settings, int(bound), time.perf_counter() - began)
        await _until_stopped()
        say("Stopping ...")
        await runner.cleanup()
    finally:
        await careline.close()


def build_or_complain(settings: Settings):  # type: ignore[no-untyped-def]  # Careline, imported late
    """Join the parts; every known mistake of an operator becomes one sentence."""
    from bot import app
    from bot.clinic import ClinicFileError
    from bot.records.errors import BadDatabaseUrl, KeyFileError
    from nlu.findings import LexiconError

    try:
        return app.build(settings)
    except (ClinicFileError, KeyFileError, BadDatabaseUrl, LexiconError, app.StartError) as error:
        raise CommandError(str(error)) from None
    except PermissionError as error:
        raise CommandError(
            f"{error.filename}: not allowed to write there; choose another --data folder"
        ) from None


async def start_or_complain(careline, *, quietly: bool = False) -> None:  # type: ignore[no-untyped-def]
    """Start the parts, printing each unless ``quietly``; typed failures become one sentence."""
    from bot.dialogue.types import DialogueUnavailable
    from bot.records.errors import KeyFileError, NewerDatabase, RecordsUnavailable
    from bot.sessions.errors import SessionStartError

    try:
        shown = (
            (lambda name, seconds: None)
            if quietly
            else lambda name, seconds: say(f"  {name:12}{seconds:6.2f} s")
        )
        await careline.start(shown)
    except (NewerDatabase, KeyFileError, SessionStartError, DialogueUnavailable) as error:
        raise CommandError(str(error)) from None
    except RecordsUnavailable as error:
        raise CommandError(f"the database cannot be opened: {error}") from None


def _check_port(settings: Settings) -> None:
    """Find out about a taken port before ten seconds of loading."""
    import socket

    if settings.port == 0:
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise CommandError(port_problem(settings, error)) from None


def port_problem(settings: Settings, error: OSError) -> str:
    """Why the address cannot be listened on, and what to do."""
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} is already in use ({where}); choose another with --port"
    if error.errno == errno.EACCES:
        return f"not allowed to listen on {where}; choose a --port above 1023"
    return f"cannot listen on {where}: {error.strerror or error}; check --host and --port"


async def _welcome(careline, settings: Settings, port: int, seconds: float) -> None:  # type: ignore[no-untyped-def]
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    base = f"http://{shown}:{port}"
    say(f"Ready after {seconds:.1f} s.")
    say(f"  patients   {base}/")
    say(f"  staff      {base}/console")
    if settings.clinic is None:
        login = await demo_staff(careline, settings.data)
        if login:
            say(f"             login {DEMO_LOGIN}, password {login}   (kept in {settings.data / LOGIN_FILE})")
    numbers = careline.clinic.numbers
    say(
        f"  clinic     {careline.clinic.local(careline.clinic.name, 'en')}; emergency number {numbers.ambulance}"
    )
    say("Stop with Ctrl-C.")


async def demo_staff(careline, data: Path) -> str | None:  # type: ignore[no-untyped-def]
    """The demo's own member of staff, made on the first run with a password of its own; None once changed."""
    from bot.records.staff import Role

    path = data / LOGIN_FILE
    if await careline.staff.all():
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None
    password = "-".join(secrets.token_hex(2) for _ in range(4))
    await careline.staff.add(DEMO_LOGIN, "Nurse Demo", password, Role.CLINICIAN)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password + "\n")
    return password


async def _until_stopped() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()


def train(out: Path | None = None, *, force: bool = False, articles: bool = False) -> int:
    """Train the dialogue model and the second reader; says so when there is nothing to do. ``articles``: leave their
    vectors there too."""
    from bot.dialogue.model import MANIFEST
    from bot.dialogue.train import TrainingFailed
    from bot.dialogue.train import train as train_model

    try:
        folder = out or settings_or_exit().models
    except CommandError as error:
        return complain(str(error))
    if force:
        (folder / MANIFEST).unlink(missing_ok=True)
    began = time.perf_counter()
    try:
        path = train_model(folder)
    except TrainingFailed as error:
        return complain(str(error))
    say(f"dialogue model {path} ({time.perf_counter() - began:.1f} s)")
    status = train_reader(folder, force=force)
    if articles:
        encode_articles(folder)
    return status


def train_reader(folder: Path, *, force: bool = False) -> int:
    """Train the second reader; says so when there is nothing to do."""
    from bot.suspicion.encoder import reader_encoder
    from bot.suspicion.train import train as train_suspicion

    began = time.perf_counter()
    say("second reader (the first training encodes some thousand sentences: about a minute) ...")
    settings = load_settings()
    path = train_suspicion(
        folder, reader_encoder(settings.reader_encoder, wanted=settings.encoder), force=force
    )
    say(f"second reader {path} ({time.perf_counter() - began:.1f} s)")
    return 0


def encode_articles(folder: Path) -> None:
    """Leave the vectors of the shipped articles beside the models, so that no start has to make them."""
    from generation.encoder import EncoderUnavailable, MiniLmEncoder
    from generation.passages import KNOWLEDGE_DIR, load_passages
    from generation.retrieval import Retriever
    from generation.vectors import FILE, VectorCache

    if not load_settings().encoder:
        return
    encoder, note = MiniLmEncoder(), folder / f"{FILE}.sources"
    digest = hashlib.sha256(encoder.name.encode())
    for lang in sorted(encoder.languages):
        for path in sorted((KNOWLEDGE_DIR / lang).glob("*.md")):
            digest.update(path.read_bytes())
    if (
        (folder / FILE).is_file()
        and note.is_file()
        and note.read_text(encoding="ascii") == digest.hexdigest()
    ):
        return
    began = time.perf_counter()
    say("vectors of the articles ...")
    try:
        Retriever(load_passages(), encoder, VectorCache(folder)).warm()
    except EncoderUnavailable as error:
        say(f"without vectors of the articles: {error}")
        return
    note.write_text(digest.hexdigest(), encoding="ascii")
    say(f"vectors of the articles ({time.perf_counter() - began:.1f} s)")


def triage_semantic(model: Path | None, *, explain: bool = False) -> int:
    """``careline triage --semantic``: the rules, and the second reader beside them."""
    from bot.triage.commands import run_triage

    try:
        return run_triage(sys.stdin, sys.stdout, explain=explain, second=_second_reader(model))
    except CommandError as error:
        return complain(str(error))


def evaluate_semantic(half: str, picture: Path | None, model: Path | None) -> int:
    """``careline evaluate triage --semantic``: what the second reader adds and costs."""
    from bot.triage.evaluate import run_evaluate

    try:
        return run_evaluate(sys.stdout, half, picture, _second_reader(model))
    except CommandError as error:
        return complain(str(error))


def _second_reader(model: Path | None):  # type: ignore[no-untyped-def]  # Reader, imported late
    from bot.suspicion.encoder import reader_encoder
    from bot.suspicion.reader import load_reader
    from bot.suspicion.train import SuspicionMissing

    settings = settings_or_exit()
    encoder = reader_encoder(settings.reader_encoder, wanted=settings.encoder)
    try:
        return load_reader(model or settings.models, encoder)
    except SuspicionMissing as error:
        raise CommandError(str(error)) from None


def parse(model: Path | None) -> int:
    """``careline parse``: JSON lines to intents and findings."""
    from nlu.commands import run_parse

    try:
        folder = model or settings_or_exit().models
    except CommandError as error:
        return complain(str(error))
    return run_parse(sys.stdin, sys.stdout, folder)


def answer(data: Path | None) -> int:
    """``careline answer``: JSON lines to cited answers."""
    from generation.commands import run_answer

    try:
        settings = settings_or_exit(data=data)
    except CommandError as error:
        return complain(str(error))
    token = settings.generator_token.get_secret_value() if settings.generator_token else None
    return run_answer(
        sys.stdin,
        sys.stdout,
        url=settings.generator_url,
        token=token,
        encoder=settings.encoder,
        cache=settings.data / VECTORS,
        shipped=settings.models,
    )


def evaluate_answers(half: str, data: Path | None, *, lexical: bool) -> int:
    """``careline evaluate answers``: our own questions against the shipped articles."""
    from generation.evaluate import run_evaluate

    try:
        settings = settings_or_exit(data=data)
    except CommandError as error:
        return complain(str(error))
    encoder = settings.encoder and not lexical
    return run_evaluate(
        sys.stdout, half, encoder=encoder, cache=settings.data / VECTORS, shipped=settings.models
    )


def staff_add(
    login: str, name: str, role: str, *, from_stdin: bool, data: Path | None, clinic: Path | None
) -> int:
    """Add a member of staff to the records."""
    import getpass

    try:
        settings = settings_or_exit(data=data, clinic=clinic)
        password = sys.stdin.readline().rstrip("\n") if from_stdin else getpass.getpass("Password: ")
        asyncio.run(_staff_add(settings, login, name, role, password))
    except CommandError as error:
        return complain(str(error))
    say(f"{login} may now log in at /console")
    return 0


async def _staff_add(settings: Settings, login: str, name: str, role: str, password: str) -> None:
    from bot.records.audit import AuditLog
    from bot.records.crypto import KeyFile
    from bot.records.database import Database
    from bot.records.errors import RecordsError
    from bot.records.staff import Role, StaffStore

    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        cipher = KeyFile.load_or_create(settings.key_path)
        database = Database(settings.database_url or settings.sqlite_url, cipher)
        await database.start()
    except RecordsError as error:
        raise CommandError(str(error)) from None
    try:
        audit = AuditLog(cipher, anchor=settings.data / "audit.anchor")
        await StaffStore(database, audit).add(login, name, password, Role(role))
    except RecordsError as error:
        raise CommandError(str(error)) from None
    finally:
        await database.close()


def kb_add(folder: Path, *, data: Path | None) -> int:
    """Check a folder of articles (``<lang>/<name>.md``) and copy it to the clinic's own knowledge."""
    import shutil

    from generation.passages import KnowledgeError, load_articles

    try:
        settings = settings_or_exit(data=data)
        if not folder.is_dir():
            raise CommandError(f"{folder}: there is no such folder")
        articles = load_articles(folder)
        if not articles:
            raise CommandError(f"{folder}: no article found; expected {folder}/<language>/<name>.md")
    except (CommandError, KnowledgeError) as error:
        return complain(str(error))
    target = settings.data / "knowledge"
    for path in sorted(folder.glob("*/*.md")):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / path.parent.name / path.name)
        say(f"  {path.parent.name}/{path.name}")
    say(f"{len(articles)} articles taken over; they are used from the next start on")
    return 0


def chat(lang: str | None, data: Path | None, clinic: Path | None) -> int:
    """Talk in the terminal."""
    from bot.chat import run_chat

    try:
        settings = settings_or_exit(data=data, clinic=clinic)
        set_up_logging("ERROR")
        load_libraries()
        with contextlib.suppress(EOFError):
            asyncio.run(run_chat(settings, lang))
    except CommandError as error:
        return complain(str(error))
    return 0
