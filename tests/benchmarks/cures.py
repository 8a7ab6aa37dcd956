"""What `add_skips` cures: networks as they are, with skips, and with skips of a learned scalar.

    python tests/benchmarks/cures.py --out cures.jsonl [--seeds 2] [--epochs 8] [--only TEXT]

Trains each of `cure_networks.py` on the digits of scikit-learn, from the same weights and on the
same batches, and prints the table of docs/cure.md: the accuracy in the last epoch, and the orders
of magnitude that the signal loses from the last to the first hidden layer at the beginning, each as
the mean over the seeds and the range. Where the report gives no such orders, its verdict stands.
Each training is a line of the file, so a run that was cut off goes on where it stopped. Fails if a
network learns that is not expected to, or the other way round.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from cure_networks import NETWORKS
from keras import layers

import keraskip
from keraskip.data import load_data

LEARNED = 0.8  # an accuracy that chance, 0.1, is far from
KINDS = {"plain": None, "skips": {}, "learned": {"scale": "learned"}}
HEAD = """\
| network | accuracy, plain | skips | `scale="learned"` | orders lost, plain | skips | `"learned"` |
|---|---|---|---|---|---|---|"""


def built(network, kind, seed, digits):
    """The network, compiled, with the skips of this kind."""
    keras.utils.set_random_seed(seed)
    head = layers.Dense(digits.classes, "softmax")
    model = keras.Sequential([keras.Input(digits.input_shape), *network.hidden(), head])
    model.compile(
        keras.optimizers.SGD(network.rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    options = KINDS[kind]
    return model if options is None else keraskip.add_skips(model, verbose=False, **options)


def trained(model, seed, epochs, digits):
    """The accuracy of the last epoch, the orders that the signal loses, and the verdict on it."""
    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        recorder = keraskip.GradientRecorder(Path(folder) / "run", verbose=0)
        past = model.fit(
            digits.train.images, digits.train.labels, epochs=epochs, verbose=0, callbacks=[recorder]
        )
        verdict = keraskip.compare(Path(folder) / "run").verdicts[0]
    lost = verdict.attenuation
    return {
        "accuracy": past.history["accuracy"][-1],
        "orders": lost.value if lost else None,
        "verdict": verdict.verdict,
    }


def result_of(name, kind, seed, epochs, digits):
    """One training, as a line of the file."""
    start = time.process_time()
    keras.backend.clear_session(free_memory=False)
    model = built(NETWORKS[name], kind, seed, digits)
    row = {"name": name, "kind": kind, "seed": seed, "epochs": epochs}
    row |= trained(model, seed, epochs, digits)
    return row | {"cpu_s": time.process_time() - start}


def lines_of(file):
    """The results so far; a last line that was cut off is taken out of the file."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    if lines and not lines[-1].endswith("\n"):
        file.write_text("".join(lines[:-1]))
        del lines[-1]
    return [json.loads(line) for line in lines]


def run(arguments):
    """Trains what the file lacks, one seed of all networks after the other; all results."""
    wanted = [
        (name, kind, seed)
        for seed in range(arguments.seeds)
        for name in NETWORKS
        if arguments.only in name
        for kind in KINDS
    ]
    known = {(row["name"], row["kind"], row["seed"], row["epochs"]): row
             for row in lines_of(arguments.out)}  # fmt: skip
    digits, rows = load_data("digits"), []
    for number, key in enumerate(wanted, 1):
        row = known.get((*key, arguments.epochs))
        if row is None:
            row = result_of(*key, arguments.epochs, digits)
            with arguments.out.open("a") as file:
                print(json.dumps(row), file=file)
        rows.append(row)
        print(f"{number}/{len(wanted)}", *row.values(), file=sys.stderr, flush=True)
    return rows


def spread(values, digits):
    """Mean and range, or the one word that stands for them."""
    words = sorted({value for value in values if isinstance(value, str)})
    numbers = [value for value in values if not isinstance(value, str)]
    if not numbers:
        return ", ".join(words)
    low, high = (f"{end:.{digits}f}" for end in (min(numbers), max(numbers)))
    mean = f"{sum(numbers) / len(numbers):.{digits}f}"
    text = mean if low == high else f"{mean} ({low} to {high})"
    return ", ".join([text, *words])


def table_line(name, rows):
    """The row of the table, and whether each kind learns, in the order of `KINDS`."""
    accuracies, orders = [], []
    for kind in KINDS:
        of_kind = [row for row in rows if (row["name"], row["kind"]) == (name, kind)]
        accuracies.append([row["accuracy"] for row in of_kind])
        orders.append([row["verdict"] if row["orders"] is None else row["orders"]
                       for row in of_kind])  # fmt: skip
    cells = [*(spread(one, 2) for one in accuracies), *(spread(one, 1) for one in orders)]
    learns = tuple(sum(one) / len(one) > LEARNED for one in accuracies)
    return f"| {name} | {' | '.join(cells)} |", learns


def print_table(rows):
    """Prints the table; the number of networks that do something else than expected."""
    print(HEAD)
    others = 0
    for name in dict.fromkeys(row["name"] for row in rows):
        line, learns = table_line(name, rows)
        is_other = learns != NETWORKS[name].expected
        others += is_other
        print(line, "!" if is_other else "")
    print(f"\nKeras {keras.__version__}, {keras.backend.backend()}, "
          f"{sum(row['cpu_s'] for row in rows) / 60:.1f} CPU minutes")  # fmt: skip
    return others


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="file of results; it is continued")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--only", default="", help="part of the names to run")
    return print_table(run(parser.parse_args())) > 0


if __name__ == "__main__":
    sys.exit(main())
