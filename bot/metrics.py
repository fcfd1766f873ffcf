"""Prometheus figures of the assistant: turns by level, how long they took, what waits. No patient text, no ids."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 3.0, 5.0, 10.0, 30.0)
"""0.3 s is the promise of law 3, 1.5 s that of a quoted answer."""


class Metrics:
    """One registry per assistant, so that two in one process (tests) do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._turns = Counter(
            "careline_turns_total", "Turns by level of triage", ["channel", "level"], registry=self.registry
        )
        self._seconds = Histogram(
            "careline_turn_seconds",
            "Whole turn, message to last reply",
            ["channel"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._first = Histogram(
            "careline_first_reply_seconds", "Message to first reply", ["channel"], buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._faults = Counter(
            "careline_faults_total", "Turns that ended in a fault", ["channel"], registry=self.registry
        )
        self._waiting = Gauge(
            "careline_outbox_waiting", "Outbox rows not yet delivered", registry=self.registry
        )
        self._spool = Gauge("careline_spool_waiting", "Escalations waiting for SQL", registry=self.registry)
        self._up = Gauge("careline_part_up", "1 where a part answers", ["part"], registry=self.registry)

    def turn(self, channel: str, level: str, seconds: float, first: float | None) -> None:
        """Count a finished turn; ``seconds`` for the whole, ``first`` until the first reply."""
        self._turns.labels(channel, level).inc()
        self._seconds.labels(channel).observe(seconds)
        if first is not None:
            self._first.labels(channel).observe(first)

    def fault(self, channel: str) -> None:
        """Count a turn that raised."""
        self._faults.labels(channel).inc()

    def scrape(self, parts: Mapping[str, bool], outbox: int | None, spool: int) -> bytes:
        """The text exposition; an outbox that cannot be counted is left at its last figure."""
        for part, up in parts.items():
            self._up.labels(part).set(up)
        if outbox is not None:
            self._waiting.set(outbox)
        self._spool.set(spool)
        return generate_latest(self.registry)
