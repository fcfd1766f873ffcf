"""The pattern language of the lexicon, parsed into small trees.

``word`` · ``word*`` (at least three letters) · ``(a|b c|@cls)`` · ``[x|y]`` or ``(x|y)?`` optional ·
``@class`` · ``..`` gap of 0-3 tokens, ``..N`` of 0-N (N at most 8; at an end it means nothing). A run of Chinese
characters is the sequence of its characters.
Nothing is matched here; :mod:`nlu.findings.matcher` does that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nlu.findings.tokens import is_cjk, tokenise

DEFAULT_GAP, MAX_GAP = 3, 8
MIN_PREFIX = 3
MAX_CLASS_DEPTH = 8
"""Classes may use classes; deeper than this is a circle."""
SHARED_FROM = 40
"""A class of so many members (the names of medicines) stands in the automaton once, not in every pattern that uses
it: with 1,500 names in 80 patterns the difference is most of the memory."""


class PatternError(ValueError):
    """A pattern that cannot be read; the message names the pattern's fault, never patient text."""


@dataclass(frozen=True, slots=True)
class Lit:
    """One literal token."""

    word: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """Any token that begins so."""

    word: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Up to ``size`` tokens of any kind, within one clause."""

    size: int


@dataclass(frozen=True, slots=True)
class Alt:
    """One of several sequences; an empty one makes it optional."""

    options: tuple[tuple[Element, ...], ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """A large class by name: matched by an automaton of its own, see :mod:`nlu.findings.matcher`."""

    name: str


Element = Lit | Prefix | Gap | Alt | Shared

_PIECE = re.compile(
    r"\s+|\.\.(\d*)|@([A-Za-z_][A-Za-z0-9_]*)|(\)\?|\][?*]|[()\[\]|])|([^\s()\[\]|@]+?)(?=\.\.|[\s()\[\]|@]|$)"
)

_ENDS = frozenset([")", "]", "|", ")?", "]?", "]*"])


class PatternParser:
    """Parses patterns of one language. ``classes`` maps a class name to its members (patterns themselves)."""

    def __init__(self, classes: Mapping[str, tuple[str, ...]]) -> None:
        self._classes = classes
        self._parsed: dict[str, Alt | Shared] = {}
        self.shared: dict[str, tuple[tuple[Element, ...], ...]] = {}
        """The members of every large class met so far; a class that another one uses comes before it."""
        self._open: list[str] = []

    def parse(self, pattern: str) -> tuple[Element, ...]:
        """The elements of a pattern. Raises :class:`PatternError`."""
        pieces = _pieces(pattern)
        elements, rest = self._sequence(pieces, 0, pattern)
        if rest != len(pieces):
            raise PatternError(f"unexpected {pieces[rest]!r} in pattern {pattern!r}")
        if not any(_must_consume(e) for e in elements):
            raise PatternError(f"pattern {pattern!r} would match nothing at all")
        while isinstance(elements[0], Gap):
            elements = elements[1:]
        while isinstance(elements[-1], Gap):
            elements = elements[:-1]
        return elements

    def _sequence(self, pieces: list[str], i: int, pattern: str) -> tuple[tuple[Element, ...], int]:
        out: list[Element] = []
        while i < len(pieces) and pieces[i] not in _ENDS:
            piece = pieces[i]
            if piece in "([":
                group, i = self._group(pieces, i, pattern)
                out.append(group)
                continue
            if piece.startswith(".."):
                out.append(_gap(piece, pattern))
            elif piece.startswith("@"):
                out.append(self._class(piece[1:], pattern))
            else:
                out.extend(_literals(piece, pattern))
            i += 1
        return tuple(out), i

    def _group(self, pieces: list[str], i: int, pattern: str) -> tuple[Alt, int]:
        close = ")" if pieces[i] == "(" else "]"
        options: list[tuple[Element, ...]] = [()] if close == "]" else []
        i += 1
        while True:
            option, i = self._sequence(pieces, i, pattern)
            options.append(option)
            if i >= len(pieces):
                raise PatternError(f"{close!r} is missing in pattern {pattern!r}")
            if pieces[i] == "|":
                i += 1
                continue
            if close == ")" and pieces[i] == ")?":
                return Alt(((), *options)), i + 1
            if close == "]" and pieces[i] in ("]?", "]*"):
                return Alt(tuple(options)), i + 1
            if pieces[i] != close:
                raise PatternError(f"unexpected {pieces[i]!r} in pattern {pattern!r}")
            return Alt(tuple(options)), i + 1

    def _class(self, name: str, pattern: str) -> Alt | Shared:
        if name in self._parsed:
            return self._parsed[name]
        if name not in self._classes:
            raise PatternError(f"unknown class @{name} in pattern {pattern!r}")
        if name in self._open or len(self._open) >= MAX_CLASS_DEPTH:
            raise PatternError(f"class @{name} contains itself")
        self._open.append(name)
        options: list[tuple[Element, ...]] = []
        for member in self._classes[name]:
            elements = self.parse(member)
            only = elements[0] if len(elements) == 1 else None
            options.extend(only.options if isinstance(only, Alt) else (elements,))
        self._open.pop()
        distinct = tuple(dict.fromkeys(options))
        if len(distinct) < SHARED_FROM:
            self._parsed[name] = Alt(distinct)
        else:
            self.shared[name] = distinct
            self._parsed[name] = Shared(name)
        return self._parsed[name]


def _pieces(pattern: str) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        match = _PIECE.match(pattern, at)
        if match is None or match.end() == at:
            raise PatternError(f"cannot read pattern {pattern!r} at character {at}")
        if not match.group().isspace():
            out.append(match.group())
        at = match.end()
    return out


def _gap(piece: str, pattern: str) -> Gap:
    size = int(piece[2:]) if len(piece) > 2 else DEFAULT_GAP
    if not 1 <= size <= MAX_GAP:
        raise PatternError(f"gap {piece!r} in pattern {pattern!r}: 1 to {MAX_GAP} tokens")
    return Gap(size)


def _literals(piece: str, pattern: str) -> list[Element]:
    if piece.isalpha():
        if piece.isascii():
            return [Lit(piece.lower())]
        if all(is_cjk(c) for c in piece):
            return [Lit(c) for c in piece]
    star = piece.endswith("*")
    words = tokenise(piece.rstrip("*").lower().replace("’", "'")).words
    if not words or "*" in piece[:-1]:
        raise PatternError(f"no token in {piece!r} of pattern {pattern!r}")
    out: list[Element] = [Lit(w) for w in words]
    if star:
        if len(words[-1]) < MIN_PREFIX:
            raise PatternError(f"{piece!r} in pattern {pattern!r}: at least {MIN_PREFIX} letters before *")
        out[-1] = Prefix(words[-1])
    return out


def _must_consume(element: Element) -> bool:
    if isinstance(element, Alt):
        return all(any(_must_consume(e) for e in option) for option in element.options)
    return not isinstance(element, Gap)
