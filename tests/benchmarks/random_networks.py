"""The answers for random dense networks, which nobody chose: misses and false alarms.

    KERAS_BACKEND=torch python tests/benchmarks/random_networks.py [--count 120] [--seed 0]

Draws activation, depth, width, initialisation, optimizer and task of each network. Whether it
learns is measured on its answers, not on the record: it learns if they have come 15 % of the way
from the best constant one to perfect ones, it fails below 5 %, and between the two nothing is
counted. Prints the failing networks that were noticed and the learning ones without a finding.
Fails if a figure is below its limit. About ten minutes on two cores.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tiny matrices: threads of PyTorch would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from trainings import Recipe, train

from keraskip.analysis.causes import diagnose
from keraskip.analysis.learning import learning_of

LEARNS, FAILS = 0.15, 0.05
NOTICED, QUIET = 0.97, 0.98

ACTIVATIONS = ("relu", "sigmoid", "tanh", "elu", "exponential")
# Names of Keras, or standard deviations.
INITIALIZERS = ("glorot_uniform", "he_normal", "lecun_normal", 0.01, 0.05, 0.5, 1.0)
OPTIMIZERS = (
    "SGD({rate})",
    "SGD({rate}, momentum=0.9)",
    "SGD({rate}, momentum=0.9, nesterov=True)",
    "SGD({rate}, global_clipnorm=1.0)",
    "Adam({small})",
    "Adam({small}, amsgrad=True)",
    "AdamW({small}, weight_decay=0.01)",
    "RMSprop({small})",
)


def random_recipe(draw):
    """A network, as somebody might write it, with sense or without."""
    optimizer = OPTIMIZERS[draw.integers(len(OPTIMIZERS))].format(
        rate=f"{10 ** draw.uniform(-3.5, 0):.2g}", small=f"{10 ** draw.uniform(-4.5, -1.5):.2g}"
    )
    return Recipe(
        activation=ACTIVATIONS[draw.integers(len(ACTIVATIONS))],
        depth=int(draw.integers(1, 19)),
        units=int(np.exp(draw.uniform(np.log(5), np.log(64)))),
        initializer=INITIALIZERS[draw.integers(len(INITIALIZERS))],
        optimizer=f"keras.optimizers.{optimizer}",
        task=("digits", "regression", "binary")[draw.integers(3)],
        scale=(1.0, 1.0, 1.0, 16.0)[draw.integers(4)],
        epochs=int(draw.integers(3, 9)),
    )


def random_recipes(count, seed):
    """The same ones for the same seed."""
    return [random_recipe(np.random.default_rng([seed, number])) for number in range(count)]


def described(recipe):
    return (
        f"{recipe.depth:>2} x {recipe.units:<2} {recipe.activation:<11} {recipe.initializer!s:<14} "
        f"{recipe.task:<10} {recipe.scale:>4g} {recipe.epochs} {recipe.optimizer[17:]:<40}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    failing, learning_ones = [], []
    for number, recipe in enumerate(random_recipes(arguments.count, arguments.seed)):
        with tempfile.TemporaryDirectory() as folder:
            run, share = train(recipe, Path(folder) / "run", number)
        learning = learning_of(run)
        found = diagnose(run, learning=learning)
        said = ", ".join(finding.kind for finding in found) or "–"
        print(f"{described(recipe)} learned {share:6.2f}  {learning.state:<12} {said}", flush=True)
        if share > LEARNS:
            learning_ones.append(not found and not learning.fails)
        elif share < FAILS:
            failing.append(bool(found or learning.fails))
    print(f"\n{sum(failing)} of {len(failing)} failing networks noticed; "
          f"{sum(learning_ones)} of {len(learning_ones)} learning ones without a finding; "
          f"{arguments.count - len(failing) - len(learning_ones)} between the two")  # fmt: skip
    enough = sum(failing) >= NOTICED * len(failing)
    return not (enough and sum(learning_ones) >= QUIET * len(learning_ones))


if __name__ == "__main__":
    sys.exit(main())
