"""``careline evaluate triage``: the rule layer against labelled messages, with confidence intervals.

Knows the labelled files and how to count; it does not know how a level comes about. The unseen half
(``held_out``) is shown as figures only, so that nobody tunes to its sentences; the open half lists its misses.
"""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from bot.triage.commands import answer
from bot.triage.engine import default_engine
from bot.triage.level import Level
from bot.triage.suspicion import SecondReader, Step

EVALUATION_DIR = Path(__file__).parent / "evaluation"
HALVES = ("held_out", "open", "training")
"""``held_out``: only figures are read; ``open``: menders read it; ``training``: the second reader learns from it, and
nobody has mended the rules by it, so that its working point is chosen on messages as strange as patients'."""
LANGUAGES = ("en", "zh")
Z_95 = 1.959964
"""Standard normal quantile of a two-sided 95 percent interval."""
GROUP_KEYS = frozenset({"phenomenon", "level", "accept", "messages"})
MESSAGE_KEYS = frozenset({"text", "level", "accept", "phenomenon", "age", "sex", "pregnant", "context"})
REQUEST_KEYS = ("age", "sex", "pregnant", "context")
ESCALATED = (Level.URGENT, Level.EMERGENCY)


class EvaluationError(ValueError):
    """A file of labelled messages is wrong; names file and number of the message, never its text."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message with its level; ``accept`` holds that level and the defensible neighbours."""

    ident: str
    lang: str
    phenomenon: str
    text: str
    level: Level
    accept: frozenset[Level]
    request: Mapping[str, Any]

    @property
    def must_not_escalate(self) -> bool:
        """Whether neither emergency nor urgent is defensible."""
        return not any(level in self.accept for level in ESCALATED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One message and the level that it was given; ``asked``: the second reader would ask one question."""

    case: Labelled
    given: Level
    asked: bool = False

    @property
    def accepted(self) -> bool:
        return self.given in self.case.accept

    @property
    def under(self) -> bool:
        """Less cautious than every defensible level."""
        return self.given < min(self.case.accept)

    @property
    def over(self) -> bool:
        """More cautious than every defensible level."""
        return self.given > max(self.case.accept)


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` out of ``total``."""

    hits: int
    total: int

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 percent interval; (0, 1) where there is nothing to count (Wilson 1927)."""
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.hits / self.total
        centre = p + Z_95**2 / (2 * n)
        half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n * n))
        scale = 1 + Z_95**2 / n
        return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)

    def __str__(self) -> str:
        if not self.total:
            return f"{'-':>27}"
        low, high = self.interval()
        return f"{self.hits / self.total:6.3f} [{low:.3f} {high:.3f}] {self.hits:>4}/{self.total:<4}"


def load_labelled(half: str, folder: Path = EVALUATION_DIR) -> tuple[Labelled, ...]:
    """All labelled messages of one half: ``<half>/<lang>*.yml``, one file an author.

    Raises :class:`EvaluationError` naming file and place.
    """
    if half not in HALVES:
        raise EvaluationError(f"no half named {half!r}; there are {', '.join(HALVES)}")
    cases: list[Labelled] = []
    for lang in LANGUAGES:
        number = 0
        for path in sorted((folder / half).glob(f"{lang}*.yml")):
            for group in yaml.safe_load(path.read_text(encoding="utf-8")):
                if set(group) - GROUP_KEYS:
                    raise EvaluationError(f"{path.name}: unknown key in the group after message {number}")
                for message in group["messages"]:
                    number += 1
                    cases.append(_labelled(group, message, lang, f"{half}/{lang}/{number}"))
    return tuple(cases)


def _labelled(group: Mapping[str, Any], message: Any, lang: str, ident: str) -> Labelled:
    entry = {"text": message} if isinstance(message, str) else message
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str) or set(entry) - MESSAGE_KEYS:
        raise EvaluationError(f"{ident}: a message is a text, or text with {', '.join(sorted(MESSAGE_KEYS))}")
    try:
        level = Level[str(entry.get("level", group["level"])).upper()]
        near = frozenset(Level[str(name).upper()] for name in entry.get("accept", group.get("accept", ())))
    except KeyError:
        raise EvaluationError(f"{ident}: level or accept is missing or unknown") from None
    phenomenon = str(entry.get("phenomenon", group["phenomenon"]))
    request = {"id": ident, "text": entry["text"], **{k: entry[k] for k in REQUEST_KEYS if k in entry}}
    return Labelled(ident, lang, phenomenon, entry["text"], level, near | {level}, request)


def evaluate(cases: Iterable[Labelled]) -> tuple[Outcome, ...]:
    """Every message through the same door as ``careline triage``."""
    engine = default_engine()
    return tuple(Outcome(case, answer(engine, case.request)[0].level) for case in cases)


def evaluate_semantic(
    cases: Sequence[Labelled], second: SecondReader, *, seen: bool
) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """By the rules alone, and with the second reader. ``seen``: the reader was trained with these messages, so
    each is judged by the fold that had not seen it."""
    engine = default_engine()
    alone = [answer(engine, case.request)[0] for case in cases]
    texts = [case.text for case in cases]
    both = second.read_as_unseen(texts, alone) if seen else second.read(texts, alone)
    with_reader = tuple(
        Outcome(case, a.level, a.suspected is not None and a.suspected.step == Step.ASK.value)
        for case, a in zip(cases, both, strict=True)
    )
    return tuple(Outcome(case, a.level) for case, a in zip(cases, alone, strict=True)), with_reader


def sensitivity(outcomes: Iterable[Outcome]) -> Share:
    """Emergencies that were given a defensible level (emergency, or urgent where the label allows it)."""
    return _share([o.accepted for o in outcomes if o.case.level is Level.EMERGENCY])


def specificity(outcomes: Iterable[Outcome]) -> Share:
    """Messages that must not escalate and did not: neither emergency nor urgent was given."""
    return _share([o.given not in ESCALATED for o in outcomes if o.case.must_not_escalate])


def run_evaluate(
    stdout: TextIO, half: str = "held_out", picture: Path | None = None, second: SecondReader | None = None
) -> int:
    """Print the tables of one half, draw the confusion matrix where asked; 0, or 1 where goal T1 or T2 is missed.

    With a ``second`` reader the tables are of rules and reader together, and what it adds and costs goes before.
    """
    cases = load_labelled(half)
    if second is None:
        outcomes = evaluate(cases)
    else:
        alone, outcomes = evaluate_semantic(cases, second, seen=half != "held_out")
        stdout.write(gain(alone, outcomes, half))
    stdout.write(report(outcomes, half))
    if half == "open":
        stdout.write(misses(outcomes))
    if picture is not None:
        draw(confusion(outcomes), picture)
        stdout.write(f"picture: {picture.name}\n")
    return 0 if _goals_met(outcomes) else 1


SENSITIVITY_GOAL = 0.97
"""Goal T1 of the safety goals: above the best published systems (0.92 to 0.93)."""
SPECIFICITY_GOAL = 0.95
"""Goal T2 of the safety goals."""


def _goals_met(outcomes: Sequence[Outcome]) -> bool:
    found, quiet = sensitivity(outcomes), specificity(outcomes)
    return found.hits >= SENSITIVITY_GOAL * found.total and quiet.hits >= SPECIFICITY_GOAL * quiet.total


def report(outcomes: Sequence[Outcome], half: str) -> str:
    """The tables as text. Holds counts, names of phenomena and levels; no message."""
    lines = [f"{half}: {len(outcomes)} labelled messages; 95 percent intervals in brackets", ""]
    for lang in ("all", *LANGUAGES):
        some = [o for o in outcomes if lang in ("all", o.case.lang)]
        lines += [f"{lang}", *(f"  {name:<34}{share}" for name, share in _measures(some)), ""]
    header = "".join(
        f"{lang + ' ' + kind:<29}" for lang in LANGUAGES for kind in ("escalates", "stays quiet")
    )
    lines.append(f"{'by phenomenon':<18}{header}")
    for phenomenon in sorted({o.case.phenomenon for o in outcomes}):
        some = [o for o in outcomes if o.case.phenomenon == phenomenon]
        cells = [f"{measure(o for o in some if o.case.lang == lang)!s:<29}" for lang, measure in _COLUMNS]
        lines.append(f"{phenomenon:<18}{''.join(cells)}".rstrip())
    return "\n".join([*lines, "", matrix_text(confusion(outcomes)), ""])


def gain(alone: Sequence[Outcome], both: Sequence[Outcome], half: str) -> str:
    """What the second reader adds and costs, beside the rules alone. Holds counts; no message."""
    lines = [f"{half}: rules alone, and with the second reader", ""]
    for lang in LANGUAGES:
        pairs = [(a, b) for a, b in zip(alone, both, strict=True) if a.case.lang == lang]
        before, after = [a for a, _ in pairs], [b for _, b in pairs]
        missed = [b for a, b in pairs if a.under and a.case.level in ESCALATED]
        quiet = [b for b in after if b.case.must_not_escalate]
        lines += [
            lang,
            f"  {'emergency sensitivity, rules alone':<44}{sensitivity(before)}",
            f"  {'emergency sensitivity, with reader':<44}{sensitivity(after)}",
            f"  {'must-not-escalate specificity, rules alone':<44}{specificity(before)}",
            f"  {'must-not-escalate specificity, with reader':<44}{specificity(after)}",
            f"  {'missed by the rules, raised by the reader':<44}{_share([not b.under for b in missed])}",
            f"  {'missed by the rules, asked one question':<44}{_share([b.under and b.asked for b in missed])}",
            f"  {'must not escalate, asked one question':<44}{_share([b.asked for b in quiet])}",
            f"  {'over-triage, rules alone':<44}{_share([a.over for a in before])}",
            f"  {'over-triage, with reader':<44}{_share([b.over for b in after])}",
            "",
        ]
    return "\n".join([*lines, ""])


def _needed(outcomes: Iterable[Outcome]) -> Share:
    """Messages that had to escalate and were given a defensible level."""
    return _share([not o.under for o in outcomes if o.case.level in ESCALATED])


_COLUMNS: tuple[tuple[str, Callable[[Iterable[Outcome]], Share]], ...] = tuple(
    (lang, measure) for lang in LANGUAGES for measure in (_needed, specificity)
)


def _measures(outcomes: Sequence[Outcome]) -> list[tuple[str, Share]]:
    rows = [
        ("emergency sensitivity", sensitivity(outcomes)),
        ("must-not-escalate specificity", specificity(outcomes)),
        ("under-triage", _share([o.under for o in outcomes])),
        ("over-triage", _share([o.over for o in outcomes])),
        ("safe advice (not under)", _share([not o.under for o in outcomes])),
        ("defensible level", _share([o.accepted for o in outcomes])),
        ("exact level", _share([o.given is o.case.level for o in outcomes])),
    ]
    return rows + [
        (f"  {level.code}: defensible", _share([o.accepted for o in outcomes if o.case.level is level]))
        for level in sorted({o.case.level for o in outcomes}, reverse=True)
    ]


def confusion(outcomes: Iterable[Outcome]) -> tuple[tuple[int, ...], ...]:
    """Counts, rows as labelled, columns as given; both from the highest level to the lowest."""
    counts = Counter((o.case.level, o.given) for o in outcomes)
    levels = sorted(Level, reverse=True)
    return tuple(tuple(counts[row, column] for column in levels) for row in levels)


def matrix_text(matrix: Sequence[Sequence[int]]) -> str:
    """The confusion matrix for a terminal."""
    names = [level.code for level in sorted(Level, reverse=True)]
    lines = ["labelled \\ given " + "".join(f"{name:>11}" for name in names)]
    lines += [
        f"{name:<17}" + "".join(f"{n:>11}" for n in row) for name, row in zip(names, matrix, strict=True)
    ]
    return "\n".join(lines)


def misses(outcomes: Iterable[Outcome]) -> str:
    """What was not defensible, under-triage first. For the open half only: it holds the messages."""
    wrong = sorted((o for o in outcomes if not o.accepted), key=lambda o: (not o.under, o.case.ident))
    return "".join(
        f"{'UNDER' if o.under else 'over '} {o.case.ident} {o.case.phenomenon}: "
        f"{o.case.level.code} -> {o.given.code}: {o.case.text}\n"
        for o in wrong
    )


def draw(matrix: Sequence[Sequence[int]], path: Path) -> None:
    """Save the matrix as a picture. Raises :class:`EvaluationError` where matplotlib is not installed."""
    try:
        canvas = importlib.import_module("matplotlib.backends.backend_agg")
        figures = importlib.import_module("matplotlib.figure")
    except ImportError:
        raise EvaluationError("a picture needs matplotlib, which is not installed") from None
    names = [level.code for level in sorted(Level, reverse=True)]
    figure = figures.Figure(figsize=(6, 5), layout="constrained")
    axes = figure.subplots()
    axes.imshow([[n / max(1, sum(row)) for n in row] for row in matrix], cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(matrix):
        for x, n in enumerate(row):
            axes.text(x, y, str(n), ha="center", va="center", color="white" if 2 * n > sum(row) else "black")
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("given")
    axes.set_ylabel("labelled")
    canvas.FigureCanvasAgg(figure).print_figure(path)


def _share(flags: Sequence[bool]) -> Share:
    return Share(sum(flags), len(flags))
