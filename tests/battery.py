"""Networks whose state is known beforehand: the verdicts must agree with it."""

from dataclasses import dataclass, field

import keras
import numpy as np
from sklearn.datasets import load_digits

from keraskip import GradientRecorder, build_densenet, build_plain, build_resnet, load_run
from keraskip.analysis.verdicts import judge

STEPS = 30
BATCH = 32

TANH = {"normalization": None, "activation": "tanh", "kernel_initializer": "glorot_uniform"}
PREACT_TANH = {**TANH, "variant": "preact"}


def spread(factor):
    """He's initialisation with its standard deviation times `factor`."""
    return keras.initializers.VarianceScaling(2.0 * factor**2, "fan_in", "untruncated_normal")


@dataclass(frozen=True)
class Known:
    """A network, how it is trained, and the verdict that is right, with the reason for it."""

    name: str
    builder: object
    options: dict
    expected: str
    why: str
    learning_rate: float = 0.01
    change: object = None
    fields: dict = field(default_factory=dict)


def poison(x, y):
    x[20 * BATCH, 0, 0, 0] = np.nan


def kill(model):
    """Makes a ReLU layer in the middle of the network answer 0 to everything."""
    layer = model.get_layer("stage2_block1_conv1")
    layer.bias.assign(np.full(layer.bias.shape, -1e4))


def saturate(model):
    """Makes a tanh layer in the middle of the network answer 1 to everything."""
    layer = model.get_layer("stage2_block1_conv1")
    layer.bias.assign(np.full(layer.bias.shape, 1e4))


def he(**more):
    return {"normalization": None, "kernel_initializer": "he_normal", **more}


BATTERY = (
    Known("plain20, sigmoid", build_plain, {"depth": 20, **PREACT_TANH, "activation": "sigmoid"},
          "vanishing", "slope of a sigmoid is at most 1/4 (Glorot & Bengio 2010)"),
    Known("plain56, tanh", build_plain, {"depth": 56, **PREACT_TANH},
          "vanishing", "never learns; facts of the field, He 2015 introduction"),
    Known("plain20, relu, small weights", build_plain, {"depth": 20, **he(kernel_initializer=0.3)},
          "vanishing", "0.3 of He's standard deviation: 0.3**18 remains"),
    Known("plain20, relu, large weights", build_plain, {"depth": 20, **he(kernel_initializer=3.0)},
          "exploding", "three times He's standard deviation", learning_rate=1e-30),
    Known("plain20, relu, He", build_plain, {"depth": 20, **he()},
          "healthy", "the purpose of the initialisation (He 2015b)", learning_rate=1e-4),
    Known("plain8, batch norm", build_plain, {"depth": 8}, "healthy", "shallow and normalised"),
    Known("resnet20, batch norm", build_resnet, {"depth": 20}, "healthy", "He 2015"),
    Known("resnet110, batch norm", build_resnet, {"depth": 110}, "healthy", "He 2015"),
    Known("resnet110, pre-activation", build_resnet, {"depth": 110, "variant": "preact"},
          "healthy", "He 2016"),
    Known("resnet56, tanh", build_resnet, {"depth": 56, **PREACT_TANH},
          "healthy", "the identity carries the signal (He 2016)"),
    Known("resnet20, group norm", build_resnet, {"depth": 20, "normalization": "group"},
          "healthy", "Wu & He 2018"),
    Known("densenet40, batch norm", build_densenet, {"depth": 40}, "healthy", "Huang 2017"),
    Known("densenet55, tanh", build_densenet, {"depth": 55, **TANH},
          "healthy", "each layer sees the loss (Huang 2017)"),
    Known("plain56, batch norm", build_plain, {"depth": 56},
          "healthy", "gradients are not why it trains badly (He 2015, 4.1); it explodes in step 0 "
          "(Yang 2019)"),
    Known("plain8, relu, one layer dead", build_plain, {"depth": 8, **he()},
          "dead", "a bias of -10,000", change=kill),
    Known("plain8, tanh, one layer saturated", build_plain, {"depth": 8, **TANH},
          "no gradient", "a bias of 10,000, where the slope of tanh is exactly 0", change=saturate),
    Known("resnet8, learning rate 1e4", build_resnet, {"depth": 8, **he()},
          "diverged", "each update throws the weights away", learning_rate=1e4),
    Known("resnet20, NaN in the data", build_resnet, {"depth": 20},
          "diverged", "NaN in step 20", change=poison),
    Known("resnet20, learning rate 1e-14", build_resnet, {"depth": 20},
          "healthy", "the signal is there, and the weights are frozen", learning_rate=1e-14),
)  # fmt: skip


def verdict_on(known, seed, folder):
    """Trains the network for some steps and judges the record."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    options = dict(known.options)
    if isinstance(options.get("kernel_initializer"), float):
        options["kernel_initializer"] = spread(options["kernel_initializer"])
    model = known.builder(input_shape=(8, 8, 1), classes=10, **options)
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8, 1)[: STEPS * BATCH] / 16).astype("float32")
    y = y[: STEPS * BATCH]
    if known.change is poison:
        poison(x, y)
    elif known.change:
        known.change(model)
    optimizer = keras.optimizers.SGD(known.learning_rate, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = GradientRecorder(folder, on_nonfinite="ignore", verbose=0)
    model.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[recorder])
    return judge(load_run(folder))
