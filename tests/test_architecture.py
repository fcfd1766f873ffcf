"""Who may import whom (DESIGN: "Rooms"). Reads the source as text and runs nothing of it.

Told as rules, so that a newcomer can see them at a glance; a module that breaks one is named with its line.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("bot", "nlu", "generation", "connectors")
HEAVY = ("rasa", "rasa_sdk", "tensorflow", "torch", "transformers", "numpy", "sklearn")

# folder or module: the only modules of ours that it may import (prefixes)
MAY_IMPORT = {
    "nlu.findings": ("nlu.findings",),
    "bot.triage": ("bot.triage", "nlu.findings"),
    "generation": ("generation",),
    "connectors": (
        "connectors",
        "bot.messages",
        "bot.turn",
        "bot.texts",
        "bot.clinic",
    ),
    "bot.messages": (),
    "bot.texts": (),
    "bot.clinic": (),
    "bot.records": ("bot.records", "bot.messages"),
    "bot.sessions": ("bot.sessions", "bot.messages", "bot.dialogue.types"),
    "bot.appointments": ("bot.appointments", "bot.records", "bot.messages", "bot.clinic", "bot.texts"),
    "bot.escalation": ("bot.escalation", "bot.records", "bot.messages", "bot.clinic", "bot.texts"),
}
# outside libraries that stay in their room
RASA_ROOMS = ("bot.dialogue", "bot.sessions", "nlu", "bot.app", "bot.commands")
STANDARD_ONLY = ("bot.triage", "nlu.findings")
COMPOSITION_ROOT = "bot.app"


def modules() -> list[tuple[str, Path]]:
    """Every module of ours with its dotted name."""
    out = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            out.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return out


def imports(path: Path) -> list[tuple[str, int]]:
    """Names that a module imports, with their lines; imports for type checking alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing_only.update(inner for child in node.body for inner in ast.walk(child))
    found = []
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module, node.lineno))
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a dotted name lies in one of the prefixes."""
    return any(name == p or name.startswith(p + ".") for p in prefixes)


ALL = modules()


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_only_what_it_may(room: str) -> None:
    allowed = MAY_IMPORT[room]
    broken = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in ALL
        if within(module, (room,))
        for name, line in imports(path)
        if name.split(".")[0] in PACKAGES
        and not within(name, allowed)
        and not any(prefix.startswith(name + ".") for prefix in allowed)
    ]
    assert broken == []


@pytest.mark.parametrize("room", STANDARD_ONLY)
def test_the_rule_layer_needs_only_the_standard_library_and_yaml(room: str) -> None:
    allowed = {*sys.stdlib_module_names, *PACKAGES, "yaml"}
    broken = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in ALL
        if within(module, (room,))
        for name, line in imports(path)
        if name.split(".")[0] not in allowed
    ]
    assert broken == []


def test_rasa_stays_in_its_rooms() -> None:
    broken = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in ALL
        if not within(module, RASA_ROOMS)
        for name, line in imports(path)
        if name.split(".")[0] in ("rasa", "rasa_sdk")
    ]
    assert broken == []


def test_only_the_composition_root_joins_every_room() -> None:
    """Nothing imports ``bot.app`` but the commands, which ask it to build, and the server over what was built."""
    askers = {
        module
        for module, path in ALL
        for name, _ in imports(path)
        if within(name, (COMPOSITION_ROOT,)) and module != COMPOSITION_ROOT
    }
    assert askers <= {"bot.commands", "bot.server"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import bot.triage.commands", "import nlu.findings", "import bot.cli", "import generation.client"],
)
def test_light_entrances_load_nothing_heavy(statement: str) -> None:
    """``careline triage`` answers 1,000 lines in 3 s only because these are not imported."""
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_no_path_of_a_machine_and_no_download_address_in_what_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    locks = [name for name in listed.splitlines() if re.search(r"(\.lock|requirements[^/]*\.txt)$", name)]
    assert locks
    for name in locks:
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), name
