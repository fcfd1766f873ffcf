"""``make bench``: every benchmark in turn, or those named: ``python -m tests.bench triage rest``."""

from __future__ import annotations

import importlib
import sys

BENCHES = ("triage", "nlu", "rest", "desk", "start", "retrieval")


def main() -> int:
    """Run the asked benchmarks; 1 when one could not be run."""
    failed = 0
    for name in sys.argv[1:] or BENCHES:
        if name not in BENCHES:
            print(f"there is no benchmark {name!r}; known: {', '.join(BENCHES)}", file=sys.stderr)
            return 2
        print(f"== {name}", flush=True)
        failed |= importlib.import_module(f"tests.bench.bench_{name}").main() or 0
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
