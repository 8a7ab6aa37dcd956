"""The diagnoses of small trainings with a known fault, and of trainings that learn.

    python tests/benchmarks/diagnoses.py --out results.jsonl [--seeds 3] [--part 1/2]
    python tests/benchmarks/diagnoses.py --scores results.jsonl others.jsonl [--records FOLDER]
    KERAS_BACKEND=jax python tests/benchmarks/diagnoses.py --backends jax.json
    python tests/benchmarks/diagnoses.py --same tensorflow.json jax.json torch.json

What has to be said about each network is written in `battery_settings.py`, `battery_layers.py`,
`battery_sound.py`, `battery_unusual.py` and `late_networks.py`. `--late` runs the networks of
`unseen_networks.py`, which were written after the rules were frozen, and `--drawn` those of
`drawn_networks.py`, which were drawn by lot, and `--added` those of `added_networks.py`, for kinds
of findings that no other network has. Whether a network learns is
measured on its answers, not on the record. Which layer is to blame is checked by a gradient of its
own (`blame.py`). Prints the failing trainings that were noticed, false alarms, right kinds and
right layers first, and trainings that the first remedy, applied as it is printed, makes learn, each
with its 95 % interval; beside it the rules of others (`baselines.py`). Ends with 1 if a figure is
below its limit.

Each network and seed is a line of the file, so a run that was cut off goes on where it stopped, and
several processes can share the work. `--records` keeps the records of all trainings; with
`--scores` it asks the rules of today about those records, and trains nothing.
"""

import argparse
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import battery_backends
import keras
from battery_layers import DEPTH, SINGLE, START
from battery_run import asked_again, result_of
from battery_scores import print_scores
from battery_settings import DATA, OUTPUTS, RATES
from battery_sound import SOUND
from battery_unusual import UNUSUAL
from late_networks import NETWORKS as LATE

NETWORKS = [*RATES, *OUTPUTS, *DATA, *START, *DEPTH, *SINGLE, *SOUND, *UNUSUAL, *LATE]


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="file of results, a line each; it is continued")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names, faults or families to run")
    parser.add_argument("--part", default="1/1", help="i/n: every n-th network, from the i-th on")
    parser.add_argument("--late", action="store_true", help="the networks of unseen_networks.py")
    parser.add_argument("--drawn", action="store_true", help="the networks of drawn_networks.py")
    parser.add_argument("--added", action="store_true", help="the networks of added_networks.py")
    parser.add_argument("--without-cures", action="store_true")
    parser.add_argument("--scores", nargs="+", type=Path, help="only the figures of these files")
    parser.add_argument("--records", type=Path, help="folder that keeps the records")
    parser.add_argument("--backends", type=Path, help="file for the answers of thirty networks")
    parser.add_argument("--same", nargs="+", type=Path, help="compare such files")
    return parser.parse_args()


def chosen(arguments):
    """The networks to run, each with a seed."""
    networks = NETWORKS
    if arguments.late:
        from unseen_networks import NETWORKS as networks  # noqa: N811
    if arguments.drawn:
        from drawn_networks import NETWORKS as networks  # noqa: N811
    if arguments.added:
        from added_networks import NETWORKS as networks  # noqa: N811
    if arguments.backends:
        networks = battery_backends.thirty_of(networks)
    about = [f"{network.name} | {network.fault} | {network.family}" for network in networks]
    pairs = zip(networks, about, strict=True)
    networks = [network for network, text in pairs if arguments.only in text]
    if keras.backend.backend() == "jax":  # its training step is written for the others
        networks = [network for network in networks if network.family != "gan"]
    number, parts = map(int, arguments.part.split("/"))
    every = [(network, seed) for seed in range(arguments.seeds) for network in networks]
    return every[number - 1 :: parts]


def rows_of(files):
    """The rows of files; the last one of a network, seed and backend counts."""
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    return list({(row["name"], row["seed"], row["backend"]): row for row in rows}.values())


def run(arguments):
    """Runs what is not in the file yet; returns all rows. A network that was changed runs anew."""
    out, wanted = arguments.out, chosen(arguments)
    now = {(network.name, repr(network.changes)) for network, _ in wanted}
    rows = rows_of([out]) if out and out.exists() else []
    rows = [row for row in rows if (row["name"], row["changes"]) in now]
    done = {(row["name"], row["seed"]) for row in rows}
    for network, seed in wanted:
        if (network.name, seed) in done:
            continue
        with_cure = not (arguments.without_cures or arguments.backends)
        try:
            row = result_of(network, seed, with_cure, arguments.records)
        except Exception as error:  # the others are still worth running
            print(f"{network.name:<34} {seed} does not run: {error!r}", flush=True)
            continue
        rows.append(row)
        print(progress(row), flush=True)
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    return rows


def progress(row):
    found = ", ".join(row["found"]) or "–"
    after = f"  → {row['after']}" if "after" in row else ""
    return (
        f"{row['name']:<34} {row['seed']} {row['seconds']:5.1f} s  learned {row['learned']:6.2f}  "
        f"{row['state']:<12} {found}{after}"
    )


def main():
    arguments = arguments_of()
    if arguments.same:
        return not battery_backends.print_differences(arguments.same)
    if arguments.scores:
        rows = rows_of(arguments.scores)
        if arguments.records:
            rows = [asked_again(row, arguments.records) for row in rows]
        return not print_scores(rows)
    if arguments.backends:
        with battery_backends.one_loss():
            battery_backends.write(run(arguments), arguments.backends)
        return False
    return not print_scores(run(arguments))


if __name__ == "__main__":
    sys.exit(main())
