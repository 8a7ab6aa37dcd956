"""Hands thousands of hostile inputs in at every door, and counts what came of them.

    python tests/benchmarks/hostile.py [--doors runs npz ...] [--share 1] [--seed 0]

An input is right, refused in one line, or it failed: a traceback (or many lines), a hang (30 s),
more than 1 GB of memory, numbers that changed in silence, a file outside the target, a script of
theirs that runs in Chromium. Fails if one did, and prints it. Takes some minutes on two cores;
`--share 0.1` a tenth of it. Without Chromium the door of pages is skipped, and the counts say so.
"""

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile_doors import DOORS
from hostile_workers import GOOD, OUTCOMES, counted

# Processes that try inputs at a time.
PROCESSES = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--doors", nargs="+", choices=[*DOORS], default=[*DOORS])
    parser.add_argument("--share", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from hostile_samples import make_samples
    from serving import served

    with tempfile.TemporaryDirectory() as place, ThreadPoolExecutor(PROCESSES) as pool:
        samples = make_samples(Path(place))
        log = samples / "errors.txt"
        with served(samples / "served", log) as (server, port):
            (samples / "server").write_text(f"{port} {server.pid}")

            def tried(name):
                count = max(1, round(arguments.share * DOORS[name].count))
                found = counted("hostile_doors", name, arguments.seed, count, samples, say)
                say(row(name, *found))
                return found

            doors = [name for name in arguments.doors if not DOORS[name].lacks()]
            found = dict(zip(doors, pool.map(tried, doors), strict=True))
        is_clean = "Traceback" not in log.read_text()
    print(table(found))
    for name in arguments.doors:
        if lacks := DOORS[name].lacks():
            print(f"{name:14}   skipped: {lacks}")
    print(f"tracebacks in the log of the server: {'none' if is_clean else 'some'}")
    bad = sum(counts[kind] for counts, _ in found.values() for kind in OUTCOMES if kind not in GOOD)
    return int(bool(bad) or not is_clean)


def say(line):
    """Prints a line at once."""
    print(line, flush=True)


def row(name, counts, seconds):
    """How often each outcome came at a door, and the time that it took."""
    cells = (*(counts[kind] for kind in OUTCOMES), round(seconds))
    return f"{name:14}" + "".join(f"{cell:10}" for cell in cells)


def table(found):
    """A row for each door, and one for all."""
    total = {kind: sum(counts[kind] for counts, _ in found.values()) for kind in OUTCOMES}
    return "\n".join(
        [
            f"{'door':14}" + "".join(f"{kind:>10}" for kind in (*OUTCOMES, "seconds")),
            *(row(name, *result) for name, result in found.items()),
            row("all", total, sum(seconds for _, seconds in found.values())),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
