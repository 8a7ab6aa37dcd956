"""The diagnoses of small trainings with a known fault, and of trainings that learn.

    python tests/benchmarks/diagnoses.py [--seeds 1] [--only TEXT] [--without-cures]

What is expected is written in `FAULTY` and `SOUND`. Whether a network learns is measured on
its answers, not on the record. Prints failing trainings that were noticed, false alarms, right
kinds and layers first, and trainings that the first remedy, applied as it is printed, makes
learn. Fails if a figure is below its limit. About ten minutes on two cores for one seed.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from as_printed import cured
from trainings import Recipe, train

from keraskip.analysis.causes import diagnose
from keraskip.analysis.learning import learning_of

# A network has learned if its answers are this far from the best constant one.
LEARNED = 0.15
NOTICED, ALARMS, KIND, LAYER, CURED = 0.97, 0.02, 0.85, 0.9, 0.7

SGD, ADAM = "keras.optimizers.SGD", "keras.optimizers.Adam"
DEEP = {"depth": 20, "activation": "sigmoid", "initializer": "glorot_uniform"}

# Name, what is changed, the kinds that are right as the first one, and the layer to blame.
FAULTY = [
    ("dense, rate 0", {"optimizer": f"{SGD}(0.0)"}, ("learning rate 0",), None),
    ("conv, rate 0", {"family": "conv", "optimizer": f"{ADAM}(0.0)"}, ("learning rate 0",), None),
    ("rnn, rate 0", {"family": "rnn", "optimizer": f"{SGD}(0.0)"}, ("learning rate 0",), None),
    ("dense, rate 1e-7", {"optimizer": f"{SGD}(1e-7)"}, ("updates too small", "too slow"), None),
    (
        "conv, rate 1e-7",
        {"family": "conv", "optimizer": f"{ADAM}(1e-8)"},
        ("updates too small", "too slow"),
        None,
    ),
    ("dense, rate 3e-5", {"optimizer": f"{SGD}(3e-5)"}, ("too slow",), None),
    ("dense, rate 10", {"optimizer": f"{SGD}(10.0)"}, ("learning rate too high",), None),
    ("dense, adam 3", {"optimizer": f"{ADAM}(3.0)"}, ("learning rate too high",), None),
    (
        "conv, rate 30",
        {"family": "conv", "depth": 4, "optimizer": f"{SGD}(30.0)"},
        ("learning rate too high",),
        None,
    ),
    (
        "regression, rate 10",
        {"task": "regression", "optimizer": f"{SGD}(10.0)"},
        ("learning rate too high",),
        None,
    ),
    ("dense, clipped", {"optimizer": f"{SGD}(0.1, global_clipnorm=1e-7)"}, ("clipping",), None),
    (
        "conv, clipped",
        {"family": "conv", "optimizer": f"{SGD}(0.1, clipnorm=1e-7)"},
        ("clipping",),
        None,
    ),
    (
        "dense, softmax over one",
        {"task": "binary", "head": (1, "softmax")},
        ("softmax over one unit",),
        None,
    ),
    (
        "conv, softmax over one, categorical",
        {
            "family": "conv",
            "task": "binary",
            "head": (1, "softmax"),
            "loss": "categorical_crossentropy",
        },
        ("softmax over one unit",),
        None,
    ),
    (
        "dense, sigmoid, categorical",
        {"task": "binary", "loss": "categorical_crossentropy"},
        ("too few output units",),
        None,
    ),
    (
        "dense, dead output",
        {"task": "regression", "head": (1, "relu"), "head_bias": -1e3},
        ("no gradient", "targets out of reach"),
        None,
    ),
    (
        "regression, sigmoid output",
        {"task": "regression", "head": (1, "sigmoid"), "shift": 5.0},
        ("targets out of reach",),
        None,
    ),
    (
        "dense, logits",
        {"head": (10, None), "optimizer": f"{SGD}(0.5)"},
        ("logits taken for probabilities",),
        None,
    ),
    ("dense, shuffled", {"shuffled": True, "epochs": 4}, ("nothing to learn",), None),
    (
        "conv, shuffled",
        {"family": "conv", "shuffled": True, "epochs": 4},
        ("nothing to learn",),
        None,
    ),
    (
        "rnn, shuffled",
        {"family": "rnn", "shuffled": True, "epochs": 4},
        ("nothing to learn",),
        None,
    ),
    ("dense, zeros", {"initializer": "zeros"}, ("units alike",), "hidden_0"),
    (
        "conv, ones",
        {"family": "conv", "initializer": "zeros", "depth": 3},
        ("units alike",),
        "hidden_0",
    ),
    ("dense, NaN in step 60", {"broken_step": 20}, ("inputs not finite",), None),
    ("conv, NaN in step 0", {"family": "conv", "broken_step": 0}, ("inputs not finite",), None),
    ("rnn, NaN in step 35", {"family": "rnn", "broken_step": 35}, ("inputs not finite",), None),
    ("dense, dead layer", {"depth": 5, "dead_layer": 2}, ("dead layer",), "hidden_2"),
    (
        "conv, dead layer",
        {"family": "conv", "depth": 5, "dead_layer": 3},
        ("dead layer",),
        "hidden_3",
    ),
    (
        "dense, float16",
        {"policy": "mixed_float16", "loss_weight": 1e-7, "optimizer": f"{ADAM}(1e-3)"},
        ("float16 underflow",),
        None,
    ),
    ("dense, decay", {"optimizer": f"{SGD}(0.05, weight_decay=3.0)"}, ("weight decay",), None),
    ("conv, L2", {"family": "conv", "penalty": 1.0, "depth": 3}, ("weight decay",), None),
    ("dense, inputs 255", {"scale": 255.0, "initializer": 1.0}, ("inputs too large",), None),
    (
        "conv, inputs 255",
        {"family": "conv", "scale": 255.0, "depth": 3},
        ("inputs too large",),
        None,
    ),
    ("regression, inputs 1e4", {"task": "regression", "scale": 1e4}, ("inputs too large",), None),
    ("regression, targets 1e4", {"task": "regression", "shift": 1e4}, ("targets too large",), None),
    ("dense, 20 sigmoid", DEEP, ("vanishing",), None),
    (
        "dense, 20 tanh, small",
        {**DEEP, "activation": "tanh", "initializer": 0.05},
        ("vanishing",),
        None,
    ),
    ("conv, 20 sigmoid", {**DEEP, "family": "conv", "epochs": 4}, ("vanishing",), None),
    ("dense, 20 relu, large", {"depth": 20, "initializer": 1.0}, ("exploding",), None),
    (
        "conv, 12 relu, large",
        {"family": "conv", "depth": 12, "initializer": 1.0},
        ("exploding",),
        None,
    ),
    ("dense, one bad layer", {"depth": 8, "bad_layer": (4, 1e-6)}, ("one bad layer",), "hidden_4"),
    (
        "conv, one bad layer",
        {"family": "conv", "depth": 8, "bad_layer": (3, 1e-6)},
        ("one bad layer",),
        "hidden_3",
    ),
    (
        "dense, exponential",
        {"depth": 8, "activation": "exponential", "initializer": "he_uniform"},
        ("overflow in the first step", "exploding"),
        None,
    ),
    ("dense, late", {"jump": 300.0}, ("late failure",), None),
    (
        "conv, late",
        {"family": "conv", "jump": 1000.0, "depth": 3, "epochs": 12},
        ("late failure",),
        None,
    ),
    (
        "rnn, first of 150",
        {"family": "rnn", "task": "first", "units": 12, "epochs": 4, "optimizer": f"{ADAM}(1e-3)"},
        ("time",),
        None,
    ),
]

SOUND = [
    ("dense", {}),
    ("dense, adam", {"optimizer": f"{ADAM}(1e-3)"}),
    ("dense, adam 1e-2", {"optimizer": f"{ADAM}(1e-2)"}),
    ("dense, slow", {"optimizer": f"{SGD}(0.01)"}),
    ("dense, 6 relu", {"depth": 6}),
    ("dense, 12 tanh", {"depth": 12, "activation": "tanh", "initializer": "glorot_uniform"}),
    ("dense, 20 sigmoid, skips", {**DEEP, "skips": True}),
    ("dense, decay", {"optimizer": "keras.optimizers.AdamW(1e-3, weight_decay=0.01)"}),
    ("dense, clipped", {"optimizer": f"{SGD}(0.1, global_clipnorm=1.0)"}),
    ("dense, inputs 16", {"scale": 16.0, "optimizer": f"{ADAM}(1e-3)"}),
    ("dense, inputs 255", {"scale": 255.0, "optimizer": f"{ADAM}(1e-3)"}),
    ("dense, penalty", {"penalty": 0.01}),
    ("dense, float16", {"policy": "mixed_float16"}),
    ("dense, logistic", {"depth": 0}),
    ("binary", {"task": "binary"}),
    ("binary, hinge", {"task": "binary", "head": (1, "tanh"), "loss": "hinge"}),
    ("regression", {"task": "regression", "optimizer": f"{SGD}(0.02)"}),
    ("regression, rmsprop", {"task": "regression", "optimizer": "keras.optimizers.RMSprop(1e-3)"}),
    ("autoencoder", {"task": "rebuild", "units": 16, "optimizer": f"{ADAM}(3e-3)"}),
    ("conv", {"family": "conv", "depth": 3, "optimizer": f"{ADAM}(3e-3)"}),
    ("conv, normalised", {"family": "conv", "depth": 6, "normalised": True}),
    ("residual", {"family": "residual", "depth": 12, "normalised": True, "epochs": 4}),
    ("rnn", {"family": "rnn", "optimizer": f"{ADAM}(3e-3)"}),
    ("lstm", {"family": "rnn", "cell": "LSTM", "optimizer": f"{ADAM}(3e-3)"}),
    ("gru", {"family": "rnn", "cell": "GRU", "optimizer": f"{ADAM}(3e-3)"}),
]


class Tally:
    """How often something was right."""

    def __init__(self):
        self.right, self.all, self.missed = 0, 0, []

    def count(self, is_right, name):
        self.all += 1
        self.right += bool(is_right)
        self.missed += [] if is_right else [name]

    def __str__(self):
        missed = f"   not: {', '.join(self.missed)}" if self.missed else ""
        return f"{self.right} of {self.all}{missed}"

    @property
    def share(self):
        return self.right / max(self.all, 1)


def trained(recipe, seed):
    with tempfile.TemporaryDirectory() as folder:
        run, share = train(recipe, Path(folder) / "run", seed)
    learning = learning_of(run)
    return share > LEARNED, share, learning, diagnose(run, learning=learning)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the names to run")
    parser.add_argument("--without-cures", action="store_true")
    arguments = parser.parse_args()
    noticed, quiet, kinds, layers, cures = (Tally() for _ in range(5))
    rows = [*FAULTY, *((f"sound: {name}", changes, (), None) for name, changes in SOUND)]
    for name, changes, expected, layer in rows:
        if arguments.only not in name:
            continue
        for seed in range(arguments.seeds):
            label = f"{name} ({seed})" if arguments.seeds > 1 else name
            recipe = Recipe(**changes)
            learns, share, learning, found = trained(recipe, seed)
            first = found[0] if found else None
            print(f"{label:<36} learned {share:6.2f}  {learning.state:<12} "
                  f"{', '.join(f.kind for f in found) or '–'}", flush=True)  # fmt: skip
            if learns:
                quiet.count(not found and not learning.fails, label)
                continue
            noticed.count(learning.fails or found, label)
            if not expected:
                continue
            kinds.count(first and first.kind in expected, label)
            if layer:
                layers.count(first and first.layers[:1] == (layer,), label)
            remedy = cured(recipe, first) if first and not arguments.without_cures else None
            if remedy:
                learns, share, *_ = trained(remedy, seed)
                cures.count(learns, label)
                print(f"    {share:6.2f} after: {first.remedy}", flush=True)
    print(f"\nnoticed     {noticed}\nno alarm    {quiet}\nright kind  {kinds}\nright layer {layers}"
          f"\ncured       {cures}")  # fmt: skip
    limits = (
        (noticed, NOTICED),
        (quiet, 1 - ALARMS),
        (kinds, KIND),
        (layers, LAYER),
        (cures, CURED),
    )
    return any(tally.all and tally.share < limit for tally, limit in limits)


if __name__ == "__main__":
    sys.exit(main())
