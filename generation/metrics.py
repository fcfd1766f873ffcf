"""What the generation server counts, in a registry of its own. Labels are closed sets: no text, no ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0, 60.0)


class ServerMetrics:
    """One server's figures; build one per application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "careline_generation_requests", "Requests by outcome", ["outcome"], registry=self.registry
        )
        self.first_token = Histogram(
            "careline_generation_first_token_seconds",
            "Time from request to first text",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.duration = Histogram(
            "careline_generation_request_seconds",
            "Time of whole requests",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "careline_generation_tokens",
            "Tokens by kind (prompt, completion)",
            ["kind"],
            registry=self.registry,
        )
        self.restarts = Counter(
            "careline_generation_worker_restarts",
            "Times the worker process was started anew",
            registry=self.registry,
        )
        self.live = Gauge(
            "careline_generation_live_requests", "Requests being served", registry=self.registry
        )
        self.ready = Gauge(
            "careline_generation_ready", "1 when the worker can generate", registry=self.registry
        )
