"""Write the lock files: versions and hashes only, no addresses.

Rasa 3.6.21 declares Python <3.11 and old pins, so the list is resolved for Python 3.10 with the overrides in
``overrides.txt`` (each was run on 3.11) and installed with ``--no-deps --ignore-requires-python``.
torch is installed by version alone, because a CPU and a CUDA machine take different builds of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# torch brings its own libraries; the others are named by metadata but never imported by what we run:
# jax by tensorflow, libclang by tensorflow's build, sentence-transformers by the encoder package.
LEFT_OUT = re.compile(
    r"^(torch|triton|nvidia-.*|cuda-.*|jax|jaxlib|ml-dtypes|libclang|sentence-transformers|pip|wheel)$"
)


def compile_lock(source: str, target: str, *extra: str) -> None:
    """Resolve ``source`` and write ``target`` without the left-out packages."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", source, "--generate-hashes", "--no-annotate",
        "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet", *extra,
    ]  # fmt: skip
    text = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout  # noqa: S603
    blocks = re.split(r"\n(?=\S)", text.strip())
    kept = [block for block in blocks if not LEFT_OUT.match(block.split("==")[0].strip())]
    if any("://" in block for block in kept):
        raise SystemExit("a lock line carries an address; it may not be committed")
    (HERE / target).write_text("\n".join(kept) + "\n", encoding="utf-8")
    print(f"{target}: {len(kept)} packages")


if __name__ == "__main__":
    rasa = ("--override", "overrides.txt", "--python-version", "3.10")
    compile_lock("run.in", "run.lock", *rasa)
    compile_lock("dev.in", "dev.lock", *rasa)
    compile_lock("tools.in", "tools.lock", "--python-version", "3.11")
