"""The verdicts on networks whose state is known beforehand, beside the right ones.

    python tests/benchmarks/known_networks.py [--seeds 3] [--only TEXT]

Fails if a verdict is not the expected one. About ten minutes on two cores.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from battery import BATTERY, verdict_on


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the names to run")
    arguments = parser.parse_args()
    wrong = 0
    print(f"{'network':<30} {'expected':<10} {'seed':>4} {'given':<13} orders lost [95 %]")
    for known in BATTERY:
        if arguments.only not in known.name:
            continue
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                verdict = verdict_on(known, seed, Path(folder) / "run")
            lost = verdict.attenuation
            orders = f"{lost.value:.1f} [{lost.low:.1f}, {lost.high:.1f}]" if lost else "–"
            mark = " " if verdict.verdict == known.expected else "!"
            wrong += verdict.verdict != known.expected
            print(f"{known.name:<30} {known.expected:<10} {seed:>4} {mark}{verdict.verdict:<12} "
                  f"{orders}  frozen {verdict.first_frozen:.0%}", flush=True)  # fmt: skip
    print(f"{wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
