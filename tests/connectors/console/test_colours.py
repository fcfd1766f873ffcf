"""Contrast of the console's colours in both schemes (WCAG 2.2, 1.4.3 and 1.4.11), read from its style sheet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import connectors.console

CSS = (Path(connectors.console.__file__).parent / "console.css").read_text()
LIGHT, DARK = re.findall(r":root \{(.*?)\}", CSS, re.S)[:2]
SURFACES = ("paper", "card")
TEXT = [(ink, ground) for ink in ("ink", "soft", "emergency", "urgent", "routine") for ground in SURFACES]
TEXT += [(name, f"{name}-bg") for name in ("emergency", "urgent", "routine")]
TEXT += [("ink", g) for g in ("mark", "me", "note", "emergency-bg", "routine-bg")]
TEXT += [
    ("soft", "me"),
    ("soft", "note"),
    ("soft", "emergency-bg"),
    ("brand-ink", "brand"),
    ("brand", "paper"),
]
EDGES = [(line, ground) for line in ("edge", "focus", "brand", "emergency", "urgent") for ground in SURFACES]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})\b", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_knows_black_on_white() -> None:
    assert round(contrast("#000", "#ffffff"), 1) == 21.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (EDGES, 3.0)])
def test_contrast(scheme: str, pairs: list[tuple[str, str]], least: float) -> None:
    known = colours(LIGHT) | (colours(DARK) if scheme == "dark" else {})
    weak = {pair: round(contrast(known[pair[0]], known[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < least} == {}
