"""How fast the rule layer is: ``python tests/bench/bench_triage.py``. Figures go to the note; no test times it.

1,000 lines of ``careline triage`` with the start included, p99 for messages of 2,000 characters, and hostile texts
of 20,000 characters whose time must grow with their length only.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from bot.triage import Case, load_engine

EN = (
    "I have had a sore throat and a fever of 38.5 for three days. No chest pain, no rash, just a bad cough at night. "
    "My daughter is 4 and she vomited twice yesterday but it's gone now. Should I book an appointment on Tuesday? "
    "I took two paracetamol this morning and my back still aches when I bend down, mostly on the left side. "
)
ZH = (
    "我嗓子疼发烧三十八度五三天了，没有胸痛，也没有起疹子，就是晚上咳嗽得厉害。我女儿四岁，昨天吐了两次，现在好了。我早上吃了"
    "两片扑热息痛，左边腰还是疼，想约周二的号。"
)
HOSTILE = {
    "no no no": "no " * 10_000,
    "pain chest": "pain in my chest and " * 1_000,
    "没没没": "没有" * 10_000,
    "疼": "我胸口很疼的" * 3_400,
    "38/": "38/" * 6_700,
    "emoji": "😀" * 20_000,
    "commas": "fever, or " * 2_000,
    "digits": "9" * 20_000,
    "letters": "a" * 20_000,
    "unknown words": "xqzvbnm wertyuio " * 1_200,
}


def main() -> None:
    """Print the figures."""
    began = time.perf_counter()
    engine = load_engine()
    print(f"load {time.perf_counter() - began:.2f} s")
    for name, text in (("en", EN), ("zh", ZH)):
        message = (text * 40)[:2_000]
        times = []
        for n in range(200):
            start = time.process_time()
            engine.turn(Case(), message[n % 7 :], 0.0)
            times.append(time.process_time() - start)
        times.sort()
        print(
            f"{name} 2,000 characters, processor time: p50 {1000 * times[100]:.1f} ms, p99 {1000 * times[197]:.1f} ms"
        )
    for name, text in HOSTILE.items():
        start = time.perf_counter()
        engine.turn(Case(), text[:20_000], 0.0)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        engine.turn(Case(), text[:5_000], 0.0)
        quarter = time.perf_counter() - start
        print(f"20,000 characters of {name!r}: {1000 * whole:.1f} ms ({whole / quarter:.1f} times 5,000)")
    lines = "".join(
        json.dumps({"id": n, "text": (EN, ZH)[n % 2][: 40 + n % 160]}) + "\n" for n in range(1_000)
    )
    start = time.perf_counter()
    code = (
        "import sys; from bot.triage.commands import run_triage; sys.exit(run_triage(sys.stdin, sys.stdout))"
    )
    subprocess.run([sys.executable, "-c", code], input=lines.encode(), stdout=subprocess.DEVNULL, check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"1,000 lines, start included: {time.perf_counter() - start:.2f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
