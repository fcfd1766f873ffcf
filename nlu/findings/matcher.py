"""Finds every pattern of a language in a token list, in time that grows with the length only.

Patterns become one automaton that shares equal beginnings. From each token it is followed until it dies, all the
states that the same words lead to as one group, made when it is first met; behind a gap a group goes on at most once
per place and start, so the work per start is bounded by the longest pattern and no input can make it run away. It
reports which tokens a gap skipped, so that "chest ..3 pain" over "chest is not in pain" is not taken for an
affirmation. A large class (the names of medicines) has an automaton of its own: where it matches is found first, and
stands for one symbol of any length in the others. It knows no meaning.
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
    """A state as built. ``edges`` symbol → next states, ``empties`` reached for free, ``gaps`` (size, state behind);
    ``outs`` the patterns that end here."""

    __slots__ = ("edges", "empties", "gaps", "outs", "shared")

    def __init__(self) -> None:
        self.edges: dict[str, list[_Node]] = {}
        self.gaps: list[tuple[int, _Node]] = []
        self.empties: list[_Node] = []
        self.outs: list[int] = []
        self.shared: dict[Element, _Node] = {}


Jump = tuple[str, int, tuple[int, ...]]
"""A large class that matches from a place: (its symbol, the place behind it, tokens that only a gap covered)."""


class _Group:
    """The states that the same words lead to, followed as one. ``edges`` symbol → the next group, or the states of
    which it will be made; ``leaps`` symbol → (size of the gap, group behind it), None where no state has a gap."""

    __slots__ = ("edges", "leaps", "outs", "reach")

    def __init__(self, nodes: tuple[_Node, ...]) -> None:
        self.outs = tuple(dict.fromkeys(payload for node in nodes for payload in node.outs))
        self.edges: dict[str, _Group | list[_Node]] = {}
        for node in nodes:
            for symbol, targets in node.edges.items():
                known = self.edges.get(symbol)
                self.edges[symbol] = [*known, *targets] if isinstance(known, list) else targets
        self.leaps: dict[str, tuple[tuple[int, _Group], ...]] | list[tuple[int, _Node]] | None = None
        gaps = [gap for node in nodes for gap in node.gaps]
        self.reach = max((size for size, _ in gaps), default=-1)
        if gaps:
            self.leaps = gaps


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
                self._automaton((m, number) for number, (_, members) in enumerate(layer) for m in members),
            )
            for layer in _layered(shared or {})
        ]
        self._whole = self._automaton(patterns)

    def _automaton(self, patterns: Iterable[tuple[Sequence[Element], int]]) -> _Automaton:
        root = _Node()
        for elements, payload in patterns:
            node = root
            for element in elements:
                node = self._extend(node, element)
            if payload not in node.outs:
                node.outs.append(payload)
        _forget(root)
        return _Automaton(root)

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
        for names, automaton in self._layers:
            found = automaton.matches(text)
            jumps: dict[int, dict[Jump, None]] = {}
            for match in found:
                jump = (names[match.payload], match.end, match.skipped)
                jumps.setdefault(match.start, {})[jump] = None
            for place, ways in jumps.items():
                text.jumps[place] = (*text.jumps.get(place, ()), *ways)
        return self._whole.matches(text._replace(windows=[None] * total))


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


class _Automaton:
    """Patterns ready to be followed. Grows by the groups that texts lead to, each made once."""

    def __init__(self, root: _Node) -> None:
        self._groups: dict[frozenset[int], _Group] = {}
        self._kept: list[tuple[_Node, ...]] = []
        self._start = _Group((root,))

    def matches(self, text: _Text) -> list[Match]:
        """All matches, in order of their start."""
        out: list[Match] = []
        edges = self._start.edges
        for start in range(text.total):
            for symbol in text.symbols[start]:
                first = edges.get(symbol)
                if first is not None:
                    if first.__class__ is list:
                        first = self._next(edges, symbol)
                    self._run(first, start, start + 1, (), text, out)  # type: ignore[arg-type]
            for symbol, end, skipped in text.jumps.get(start, ()):
                if symbol in edges:
                    self._run(self._next(edges, symbol), start, end, skipped, text, out)
        return out

    def _group(self, nodes: Iterable[_Node]) -> _Group:
        reached = _reached(nodes)
        key = frozenset(map(id, reached))
        known = self._groups.get(key)
        if known is None:
            known = self._groups[key] = _Group(reached)
            self._kept.append(reached)  # while the states live, no other gets their ids
        return known

    def _next(self, edges: dict[str, _Group | list[_Node]], symbol: str) -> _Group:
        known = edges[symbol]
        if isinstance(known, list):
            known = edges[symbol] = self._group(known)
        return known

    def _open(self, group: _Group) -> dict[str, tuple[tuple[int, _Group], ...]]:
        """Its ``leaps``, made on the first visit."""
        found: dict[str, dict[int, list[_Node]]] = {}
        assert isinstance(group.leaps, list)
        for size, behind in group.leaps:
            for entry in _reached([behind]):
                for symbol, nodes in entry.edges.items():
                    found.setdefault(symbol, {}).setdefault(size, []).extend(nodes)
        group.leaps = {
            symbol: tuple((size, self._group(nodes)) for size, nodes in ways.items())
            for symbol, ways in found.items()
        }
        return group.leaps

    def _run(
        self, first: _Group, start: int, place: int, skipped: tuple[int, ...], text: _Text, out: list[Match]
    ) -> None:
        """Follow from ``place``, behind what ``first`` began with."""
        symbols, walls, hard, _, total, windows, jumps = text
        stack: list[tuple[_Group, int, tuple[int, ...]]] = [(first, place, skipped)]
        entered: set[tuple[int, int]] | None = None
        while stack:
            group, at, skipped = stack.pop()
            for payload in group.outs:
                out.append(Match(start, at, payload, skipped))
            if at >= total or hard[at] == at:
                continue
            edges = group.edges
            if edges and not walls[at]:
                for symbol in symbols[at]:
                    after = edges.get(symbol)
                    if after is not None:
                        if after.__class__ is list:
                            after = self._next(edges, symbol)
                        stack.append((after, at + 1, skipped))  # type: ignore[arg-type]
                for symbol, end, over in jumps.get(at, ()) if jumps else ():
                    if symbol in edges:
                        stack.append((self._next(edges, symbol), end, skipped + over))
            leaps = group.leaps
            if leaps is None:
                continue
            if leaps.__class__ is list:
                leaps = self._open(group)
            window = windows[at]
            if window is None:
                window = windows[at] = _window(text, at, min(at + MAX_GAP + 1, hard[at]))
            if leaps.keys().isdisjoint(window):  # type: ignore[union-attr]
                continue
            if entered is None:
                entered = set()
            elif (id(group), at) in entered:
                continue
            entered.add((id(group), at))
            _leap(group.reach, leaps, at, skipped, text, stack)  # type: ignore[arg-type]


def _window(text: _Text, low: int, high: int) -> frozenset[str]:
    """The symbols of the places ``low`` to ``high``."""
    found = [s for here in text.symbols[low:high] for s in here]
    if text.jumps:
        found += [jump[0] for place in range(low, high) for jump in text.jumps.get(place, ())]
    return frozenset(found)


def _leap(
    reach: int,
    leaps: Mapping[str, Sequence[tuple[int, _Group]]],
    at: int,
    skipped: tuple[int, ...],
    text: _Text,
    stack: list[tuple[_Group, int, tuple[int, ...]]],
) -> None:
    """Everything that may follow after a gap that begins at ``at``."""
    near = text.soft[at]
    for place in range(at, min(at + reach + 1, text.hard[at])):
        for symbol in text.symbols[place]:
            for size, behind in leaps.get(symbol, ()):
                if place - at <= size and (place < near or size > NEAR_GAP):
                    jumped = (*skipped, *range(at, place)) if place > at else skipped
                    stack.append((behind, place + 1, jumped))
        for symbol, end, over in text.jumps.get(place, ()) if text.jumps else ():
            for size, behind in leaps.get(symbol, ()):
                if place - at <= size and (place < near or size > NEAR_GAP):
                    stack.append((behind, end, (*skipped, *range(at, place), *over)))


def _link(node: _Node, symbol: str, end: _Node) -> None:
    node.edges.setdefault(symbol, []).append(end)


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
