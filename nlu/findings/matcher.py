"""Finds every pattern of a language in a token list, in time that grows with the length only.

Patterns become one automaton that shares equal beginnings. From each token the automaton is followed until it
dies; a state is entered at most once per place and start, so the work per start is bounded by the longest
pattern and no input can make it run away. It reports which tokens a gap skipped, so that "chest ..3 pain" over
"chest is not in pain" is not taken for an affirmation. It knows no meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nlu.findings.patterns import Alt, Element, Gap, Lit, Prefix
from nlu.findings.tokens import HARD, LIST

NEAR_GAP = 3
"""A gap of at most so many characters does not leave a Chinese clause: 头痛，胸闷 is no 痛..3胸."""
MAX_PREFIX = 24
"""Longest prefix looked up for a token; no lexicon prefix is longer."""


class _Node:
    """A state while building; ``key`` → state makes patterns share their beginnings."""

    __slots__ = ("edges", "empties", "gaps", "outs", "shared")

    def __init__(self) -> None:
        self.edges: dict[str, list[_Node]] = {}
        self.gaps: list[tuple[int, _Node]] = []
        self.empties: list[_Node] = []
        self.outs: list[int] = []
        self.shared: dict[Element, _Node] = {}


class State:
    """A state ready to run: ``edges`` symbol → states (with all they reach for free); ``leaps`` symbol → (gap size,
    state) for what may follow after a gap, ``reach`` the largest such size; ``outs`` the patterns that end here."""

    __slots__ = ("edges", "goes_on", "leaps", "outs", "reach")

    def __init__(self) -> None:
        self.edges: dict[str, tuple[State, ...]] = {}
        self.leaps: dict[str, tuple[tuple[int, State], ...]] = {}
        self.reach = -1
        self.goes_on = False
        self.outs: tuple[int, ...] = ()


class Match(NamedTuple):
    """Pattern ``payload`` (an index into the caller's table) matched tokens ``start``..``end`` (exclusive);
    ``skipped`` are the tokens that only a gap covered."""

    start: int
    end: int
    payload: int
    skipped: tuple[int, ...] = ()


class Matcher:
    """The automaton of many patterns: ``patterns`` yields (elements, payload index)."""

    def __init__(self, patterns: Iterable[tuple[Sequence[Element], int]]) -> None:
        root = _Node()
        self._prefixes: set[str] = set()
        self.words: set[str] = set()
        for elements, payload in patterns:
            node = root
            for element in elements:
                node = self._extend(node, element)
            node.outs.append(payload)
        self._root = _freeze(root)

    def _extend(self, node: _Node, element: Element) -> _Node:
        known = node.shared.get(element)
        if known is None:
            known = node.shared[element] = _Node()
            self._join(node, element, known)
        return known

    def _join(self, node: _Node, element: Element, end: _Node) -> None:
        if isinstance(element, Lit):
            self.words.add(element.word)
            node.edges.setdefault(element.word, []).append(end)
        elif isinstance(element, Prefix):
            self._prefixes.add(element.word)
            node.edges.setdefault(element.word + "*", []).append(end)
        elif isinstance(element, Gap):
            node.gaps.append((element.size, end))
        else:
            for option in element.options:
                self._join_option(node, option, end)

    def _join_option(self, node: _Node, option: tuple[Element, ...], end: _Node) -> None:
        if not option:
            node.empties.append(end)
            return
        for element in option[:-1]:
            node = self._extend(node, element)
        if isinstance(option[-1], Gap | Alt):
            self._extend(node, option[-1]).empties.append(end)
        else:
            self._join(node, option[-1], end)

    def has_prefix_of(self, word: str) -> bool:
        """Whether some ``prefix*`` of the lexicon covers ``word``."""
        return any(word[:k] in self._prefixes for k in range(3, min(len(word), MAX_PREFIX) + 1))

    @property
    def prefixes(self) -> frozenset[str]:
        """Every ``prefix*`` in use, without the star."""
        return frozenset(self._prefixes)

    def symbols(self, words: Sequence[str]) -> list[tuple[str, ...]]:
        """For each token the edges it may take: itself, and every prefix that covers it."""
        seen: dict[str, tuple[str, ...]] = {}
        out = []
        for word in words:
            known = seen.get(word)
            if known is None:
                known = (word,)
                if len(word) >= 3:
                    found = [word[:k] for k in range(3, min(len(word), MAX_PREFIX) + 1)]
                    known += tuple(p + "*" for p in found if p in self._prefixes)
                seen[word] = known
            out.append(known)
        return out

    def find(self, symbols: Sequence[tuple[str, ...]], breaks: Sequence[int]) -> list[Match]:
        """All matches, in order of their start. ``breaks[i]`` is what stands before token i; none is crossed
        that is HARD. Between Chinese characters only a long gap crosses a comma."""
        total = len(symbols)
        walls = [s == HARD or (s >= LIST and not symbols[i][0].isascii()) for i, s in enumerate(breaks)]
        text = _Text(
            symbols, walls, _ends(breaks, total), _ends([HARD if w else 0 for w in walls], total), total
        )
        out: list[Match] = []
        roots = self._root.edges
        for start in range(total):
            for symbol in symbols[start]:
                first = roots.get(symbol)
                if first is not None:
                    _run(first, start, text, out)
        return out


class _Text(NamedTuple):
    """What a run needs of the text: ``hard`` and ``soft`` say for each place where its sentence or clause ends."""

    symbols: Sequence[tuple[str, ...]]
    walls: Sequence[bool]
    hard: Sequence[int]
    soft: Sequence[int]
    total: int


def _ends(breaks: Sequence[int], total: int) -> list[int]:
    """For each place the next place (itself included) before which a hard break stands."""
    out = [total] * (total + 1)
    for place in range(total - 1, -1, -1):
        out[place] = place if breaks[place] == HARD else out[place + 1]
    return out


def _run(first: tuple[State, ...], start: int, text: _Text, out: list[Match]) -> None:
    """Follow the automaton from the token after ``start``. Gaps are entered once per state and place."""
    symbols, walls, hard, soft, total = text
    stack: list[tuple[State, int, tuple[int, ...]]] = []
    arrived: list[tuple[State, int, tuple[int, ...]]] = [(s, start + 1, ()) for s in first]
    entered: set[tuple[int, int]] | None = None
    while arrived or stack:
        for state, at, skipped in arrived:
            for payload in state.outs:
                out.append(Match(start, at, payload, skipped))
            if state.goes_on and at < total and hard[at] != at:
                stack.append((state, at, skipped))
        arrived.clear()
        if not stack:
            return
        state, at, skipped = stack.pop()
        edges = state.edges
        if edges and not walls[at]:
            for symbol in symbols[at]:
                after = edges.get(symbol)
                if after is not None:
                    for nxt in after:
                        arrived.append((nxt, at + 1, skipped))
        if state.reach < 0:
            continue
        if entered is None:
            entered = set()
        elif (id(state), at) in entered:
            continue
        entered.add((id(state), at))
        leaps, near, place = state.leaps, soft[at], at
        for here in symbols[at : min(at + state.reach + 1, hard[at])]:
            for symbol in here:
                if symbol in leaps:
                    for size, nxt in leaps[symbol]:
                        if place - at <= size and (place < near or size > NEAR_GAP):
                            jumped = (*skipped, *range(at, place)) if place > at else skipped
                            arrived.append((nxt, place + 1, jumped))
            place += 1


def _freeze(root: _Node) -> State:
    """Turn building nodes into running states, with what is reached for free put into every edge."""
    states: dict[int, State] = {}
    reach: dict[int, tuple[_Node, ...]] = {}
    order: list[_Node] = []

    def closure(node: _Node) -> tuple[_Node, ...]:
        known = reach.get(id(node))
        if known is None:
            found = {id(node): node}
            todo = [node]
            while todo:
                for nxt in todo.pop().empties:
                    if id(nxt) not in found:
                        found[id(nxt)] = nxt
                        todo.append(nxt)
            known = reach[id(node)] = tuple(
                n for n in found.values() if n is node or n.edges or n.gaps or n.outs
            )
        return known

    def state(node: _Node) -> State:
        known = states.get(id(node))
        if known is None:
            known = states[id(node)] = State()
            order.append(node)
        return known

    def targets(nodes: Iterable[_Node]) -> tuple[State, ...]:
        found = {id(n): n for node in nodes for n in closure(node)}
        return tuple(state(n) for n in found.values() if n.edges or n.gaps or n.outs)

    start = State()
    for node in closure(root):
        for symbol, nodes in node.edges.items():
            start.edges[symbol] = tuple(dict.fromkeys(start.edges.get(symbol, ()) + targets(nodes)))
    done = 0
    while done < len(order):
        node = order[done]
        done += 1
        mine = states[id(node)]
        mine.edges = {symbol: targets(nodes) for symbol, nodes in node.edges.items()}
        for size, nxt in node.gaps:
            mine.reach = max(mine.reach, size)
            for entry in closure(nxt):
                for symbol, nodes in entry.edges.items():
                    mine.leaps[symbol] = mine.leaps.get(symbol, ()) + tuple((size, s) for s in targets(nodes))
        mine.outs = tuple(dict.fromkeys(node.outs))
        mine.goes_on = bool(mine.edges) or mine.reach >= 0
    return start
