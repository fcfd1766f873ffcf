"""How fast understanding is: training, and one turn at a time."""

from __future__ import annotations

import statistics
import time

from nlu.classifier import IntentModel
from nlu.examples import development, training

LANGUAGES = ("en", "zh")


def main() -> int:
    """Print the table."""
    examples = [e for lang in LANGUAGES for e in training(lang)]
    began = time.perf_counter()
    model = IntentModel.fit([e.text for e in examples], [e.intent for e in examples])
    print(f"   fitted {len(examples)} examples in {time.perf_counter() - began:.1f} s", flush=True)
    print(f"\n{'one turn':12}{'p50 ms':>10}{'p99 ms':>10}")
    for lang in LANGUAGES:
        took = []
        for example in development(lang):
            start = time.perf_counter()
            model.rank([example.text])
            took.append(1000 * (time.perf_counter() - start))
        took.sort()
        print(f"{lang:12}{statistics.median(took):10.1f}{took[int(len(took) * 0.99) - 1]:10.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
