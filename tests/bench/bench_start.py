"""How long ``careline serve`` takes from the command to ready, and where the time goes."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.bench_rest import SAY, folder_with, free_port, say, wait_for

RUNS = 3


def main() -> int:
    """Print first and later starts of a fresh data folder, and the parts of the last one."""
    root = Path(__file__).parents[2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = folder_with(root, folder)
        times, parts = [], ""
        for number in range(RUNS + 1):
            port = free_port()
            log_path = folder / "serve.log"
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "bot.cli", "serve", "--port", str(port), "--data", str(folder / "data")],
                    cwd=work, env={**os.environ, **SAY}, stdout=log, stderr=log,
                )  # fmt: skip
                try:
                    times.append(asyncio.run(wait_for(f"http://127.0.0.1:{port}/readyz", process)))
                finally:
                    process.terminate()
                    process.wait(30)
            say(f"start {number + 1}: {times[-1]:.1f} s")
            parts = log_path.read_text(encoding="utf-8", errors="replace")
    print(
        f"\nfirst start (empty data folder) {times[0]:.1f} s; later starts median {statistics.median(times[1:]):.1f} s"
    )
    print("\n".join(line for line in parts.splitlines() if line.startswith("  ")))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
