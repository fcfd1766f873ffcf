"""Finds every pattern of a language in a token list, in time that grows with the length only.

Patterns become one automaton that shares equal beginnings. From each token the automaton is followed until it
dies; a state is entered at most once per place and start, so the work per start is bounded by the longest
pattern and no input can make it run away. It reports which tokens a gap skipped, so that "chest ..3 pain" over
"chest is not in pain" is not taken for an affirmation. A large class (the names of medicines) has an automaton of
its own: where it matches is found first, and stands for one symbol of any length in the others. It knows no meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nlu.findings.patterns import MAX_GAP, Alt, Element, Gap, Lit, Prefix, Shared
from nlu.findings.tokens import HARD, LIST

NEAR_GAP = 3
"""A gap of at most so many characters does not leave a Chinese clause: 头痛，胸闷 is no 痛..3胸."""
MAX_PREFIX = 24
"""Longest prefix looked up for a token; no lexicon prefix is longer."""


class _Node:
    """A state. ``edges`` symbol → next states: a list as built, a tuple once :func:`_reached` has added what is
    reached for free; most are never visited, so that is done on the first visit. ``gaps`` (size, state) as built,
    ``leaps`` symbol → (size, states) made of them on the first visit; ``outs`` the patterns that end here."""

    __slots__ = ("edges", "empties", "gaps", "leaps", "outs", "reach", "shared")

    def __init__(self) -> None:
        self.edges: dict[str, list[_Node] | tuple[_Node, ...]] = {}
        self.gaps: list[tuple[int, _Node]] = []
        self.empties: list[_Node] = []
        self.outs: list[int] = []
        self.shared: dict[Element, _Node] = {}
        self.leaps: Leaps | None = None
        self.reach = -1


Jump = tuple[str, int, tuple[int, ...]]
"""A large class that matches from a place: (its symbol, the place behind it, tokens that only a gap covered)."""

Leaps = dict[str, tuple[tuple[int, tuple[_Node, ...]], ...]]


class Match(NamedTuple):
    """Pattern ``payload`` (an index into the caller's table) matched tokens ``start``..``end`` (exclusive);
    ``skipped`` are the tokens that only a gap covered."""

    start: int
    end: int
    payload: int
    skipped: tuple[int, ...] = ()


Members = Mapping[str, Sequence[Sequence[Element]]]


class Matcher:
    """The automaton of many patterns: ``patterns`` yields (elements, payload index); ``shared`` the members of the
    large classes, one that another uses before it."""

    def __init__(
        self, patterns: Iterable[tuple[Sequence[Element], int]], shared: Members | None = None
    ) -> None:
        self._prefixes: set[str] = set()
        self.words: set[str] = set()
        self._layers = [
            (
                [_symbol(name) for name, _ in layer],
                self._root_of((m, number) for number, (_, members) in enumerate(layer) for m in members),
            )
            for layer in _layered(shared or {})
        ]
        self._root = self._root_of(patterns)

    def _root_of(self, patterns: Iterable[tuple[Sequence[Element], int]]) -> _Node:
        root = _Node()
        for elements, payload in patterns:
            node = root
            for element in elements:
                node = self._extend(node, element)
            if payload not in node.outs:
                node.outs.append(payload)
        _forget(root)
        return root

    def _extend(self, node: _Node, element: Element) -> _Node:
        known = node.shared.get(element)
        if known is None:
            known = node.shared[element] = _Node()
            self._join(node, element, known)
        return known

    def _join(self, node: _Node, element: Element, end: _Node) -> None:
        if isinstance(element, Lit):
            self.words.add(element.word)
            _link(node, element.word, end)
        elif isinstance(element, Prefix):
            self._prefixes.add(element.word)
            _link(node, element.word + "*", end)
        elif isinstance(element, Gap):
            node.gaps.append((element.size, end))
        elif isinstance(element, Shared):
            _link(node, _symbol(element.name), end)
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
        soft = _ends([HARD if w else 0 for w in walls], total)
        text = _Text(symbols, walls, _ends(breaks, total), soft, total, [None] * total, {})
        for names, root in self._layers:
            found = _matches(root, text)
            jumps: dict[int, dict[Jump, None]] = {}
            for match in found:
                jump = (names[match.payload], match.end, match.skipped)
                jumps.setdefault(match.start, {})[jump] = None
            for place, ways in jumps.items():
                text.jumps[place] = (*text.jumps.get(place, ()), *ways)
        return _matches(self._root, text._replace(windows=[None] * total))


def _symbol(name: str) -> str:
    """What a large class is called among the symbols; no token has an @."""
    return f"@{name}"


def _layered(shared: Members) -> list[list[tuple[str, Sequence[Sequence[Element]]]]]:
    """The large classes, those that use others after them."""
    layers: list[list[tuple[str, Sequence[Sequence[Element]]]]] = []
    depth: dict[str, int] = {}
    for name, members in shared.items():
        depth[name] = max((depth[used] + 1 for used in _uses(members)), default=0)
        while len(layers) <= depth[name]:
            layers.append([])
        layers[depth[name]].append((name, members))
    return layers


def _uses(members: Iterable[Sequence[Element]]) -> set[str]:
    found: set[str] = set()
    for member in members:
        for element in member:
            if isinstance(element, Shared):
                found.add(element.name)
            elif isinstance(element, Alt):
                found |= _uses(element.options)
    return found


def _matches(root: _Node, text: _Text) -> list[Match]:
    """All matches of one automaton, in order of their start."""
    out: list[Match] = []
    roots = root.edges
    for start in range(text.total):
        for symbol in text.symbols[start]:
            first = roots.get(symbol)
            if first is not None:
                if isinstance(first, list):
                    first = roots[symbol] = _reached(first)
                _run(first, start, start + 1, (), text, out)
        for symbol, end, skipped in text.jumps.get(start, ()):
            first = roots.get(symbol)
            if first is not None:
                if isinstance(first, list):
                    first = roots[symbol] = _reached(first)
                _run(first, start, end, skipped, text, out)
    return out


class _Text(NamedTuple):
    """What a run needs of the text: ``hard`` and ``soft`` say for each place where its sentence or clause ends,
    ``windows`` (filled on demand) which symbols the longest gap from a place could meet, ``jumps`` which large
    classes match from a place."""

    symbols: Sequence[tuple[str, ...]]
    walls: Sequence[bool]
    hard: Sequence[int]
    soft: Sequence[int]
    total: int
    windows: list[frozenset[str] | None]
    jumps: dict[int, tuple[Jump, ...]]


def _ends(breaks: Sequence[int], total: int) -> list[int]:
    """For each place the next place (itself included) before which a hard break stands."""
    out = [total] * (total + 1)
    for place in range(total - 1, -1, -1):
        out[place] = place if breaks[place] == HARD else out[place + 1]
    return out


def _run(
    first: tuple[_Node, ...], start: int, place: int, skipped: tuple[int, ...], text: _Text, out: list[Match]
) -> None:
    """Follow the automaton from ``place``, behind what it began with. Gaps are entered once per state and place."""
    symbols, walls, hard, _, total, windows, jumps = text
    stack: list[tuple[_Node, int, tuple[int, ...]]] = [(s, place, skipped) for s in first]
    entered: set[tuple[int, int]] | None = None
    while stack:
        state, at, skipped = stack.pop()
        for payload in state.outs:
            out.append(Match(start, at, payload, skipped))
        if at >= total or hard[at] == at:
            continue
        edges = state.edges
        if edges and not walls[at]:
            for symbol in symbols[at]:
                after = edges.get(symbol)
                if after is not None:
                    if isinstance(after, list):
                        after = edges[symbol] = _reached(after)
                    for nxt in after:
                        stack.append((nxt, at + 1, skipped))
            for symbol, end, over in jumps.get(at, ()) if jumps else ():
                after = edges.get(symbol)
                if after is not None:
                    if isinstance(after, list):
                        after = edges[symbol] = _reached(after)
                    stack.extend((nxt, end, skipped + over) for nxt in after)
        if not state.gaps:
            continue
        leaps = state.leaps if state.leaps is not None else _open_gaps(state)
        window = windows[at]
        if window is None:
            window = windows[at] = _window(text, at, min(at + MAX_GAP + 1, hard[at]))
        if leaps.keys().isdisjoint(window):
            continue
        if entered is None:
            entered = set()
        elif (id(state), at) in entered:
            continue
        entered.add((id(state), at))
        _leap(state, leaps, at, skipped, text, stack)


def _window(text: _Text, low: int, high: int) -> frozenset[str]:
    """The symbols of the places ``low`` to ``high``."""
    found = [s for here in text.symbols[low:high] for s in here]
    if text.jumps:
        found += [jump[0] for place in range(low, high) for jump in text.jumps.get(place, ())]
    return frozenset(found)


def _leap(
    state: _Node,
    leaps: Leaps,
    at: int,
    skipped: tuple[int, ...],
    text: _Text,
    stack: list[tuple[_Node, int, tuple[int, ...]]],
) -> None:
    """Everything that may follow after a gap that begins at ``at``."""
    near = text.soft[at]
    for place in range(at, min(at + state.reach + 1, text.hard[at])):
        for symbol in text.symbols[place]:
            for size, targets in leaps.get(symbol, ()):
                if place - at <= size and (place < near or size > NEAR_GAP):
                    jumped = (*skipped, *range(at, place)) if place > at else skipped
                    stack.extend((nxt, place + 1, jumped) for nxt in targets)
        for symbol, end, over in text.jumps.get(place, ()) if text.jumps else ():
            for size, targets in leaps.get(symbol, ()):
                if place - at <= size and (place < near or size > NEAR_GAP):
                    jumped = (*skipped, *range(at, place), *over)
                    stack.extend((nxt, end, jumped) for nxt in targets)


def _link(node: _Node, symbol: str, end: _Node) -> None:
    known = node.edges.get(symbol)
    if isinstance(known, list):
        known.append(end)
    else:
        node.edges[symbol] = [end]


def _open_gaps(node: _Node) -> Leaps:
    """``leaps`` and ``reach`` of a state from its gaps."""
    found: dict[str, dict[tuple[int, int], tuple[int, tuple[_Node, ...]]]] = {}
    for size, nxt in node.gaps:
        node.reach = max(node.reach, size)
        for entry in _reached([nxt]):
            for symbol, nodes in list(entry.edges.items()):
                targets = _reached(nodes) if isinstance(nodes, list) else nodes
                found.setdefault(symbol, {})[(id(entry), size)] = (size, targets)
    node.leaps = {symbol: tuple(ways.values()) for symbol, ways in found.items()}
    return node.leaps


def _reached(nodes: Iterable[_Node]) -> tuple[_Node, ...]:
    """The states and all that they reach without a token, each once."""
    found = {id(n): n for n in nodes}
    todo = list(found.values())
    while todo:
        for nxt in todo.pop().empties:
            if id(nxt) not in found:
                found[id(nxt)] = nxt
                todo.append(nxt)
    return tuple(n for n in found.values() if n.edges or n.gaps or n.outs)


def _forget(root: _Node) -> None:
    """Drop what only building needed, and let the root begin every pattern that may skip its first element."""
    for entry in _reached([root]):
        if entry is not root:
            for symbol, nodes in entry.edges.items():
                for node in nodes:
                    _link(root, symbol, node)
    seen = {id(root)}
    todo = [root]
    while todo:
        node = todo.pop()
        node.shared = {}
        following = [n for nodes in node.edges.values() for n in nodes]
        for nxt in (*following, *node.empties, *(n for _, n in node.gaps)):
            if id(nxt) not in seen:
                seen.add(id(nxt))
                todo.append(nxt)
