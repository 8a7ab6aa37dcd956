"""Networks whose fault is in their layers: their start, their depth, single layers, time."""

from battery_network import ADAM, DEEP, SGD, faulty
from battery_settings import BOTH, CODER, CONV, GAN, RNN, SIAMESE, TOKENS, TRANSFER, UNET

LARGE = {"initializer": 1.0}
EXPONENTIAL = {"depth": 8, "activation": "exponential", "initializer": "he_uniform"}
FIRST = {**RNN, "task": "first", "units": 12, "optimizer": f"{ADAM}(1e-3)", "epochs": 2}
PLAIN = {**TOKENS, "plain": True}

START = [
    *faulty(
        "units alike",
        ("units alike",),
        ("dense, zeros", {"initializer": "zeros"}, "hidden_0"),
        ("conv, zeros", {**CONV, "initializer": "zeros", "depth": 3}, "hidden_0"),
        ("autoencoder, zeros", {**CODER, "initializer": "zeros"}, "hidden_0"),
        ("siamese, zeros", {**SIAMESE, "initializer": "zeros"}, "hidden_0"),
        ("transfer, ones", {**TRANSFER, "initializer": "ones", "units": 8}, "hidden_0"),
    ),
    *faulty(
        "overflow",
        ("overflow in the first step", "exploding"),
        ("dense, exponential", EXPONENTIAL),
        ("autoencoder, exponential", {**CODER, **EXPONENTIAL}),
        ("multi, exponential", {**BOTH, **EXPONENTIAL}),
    ),
    *faulty(
        "weight decay",
        ("weight decay",),
        ("dense, decay", {"optimizer": f"{SGD}(0.05, weight_decay=3.0)"}),
        ("conv, L2", {**CONV, "penalty": 1.0, "depth": 3}),
        ("autoencoder, L2", {**CODER, "penalty": 1.0}),
        ("transformer, decay", {**TOKENS, "optimizer": f"{SGD}(0.01, weight_decay=10.0)"}),
    ),
]

DEPTH = [
    *faulty(
        "vanishing",
        ("vanishing",),
        ("dense, 20 sigmoid", DEEP),
        ("dense, 20 tanh, small", {**DEEP, "activation": "tanh", "initializer": 0.05}),
        ("dense, 30 sigmoid", {**DEEP, "depth": 30, "epochs": 4}),
        ("conv, 20 sigmoid", {**DEEP, "family": "conv", "epochs": 4}),
        ("siamese, 12 sigmoid", {**SIAMESE, **DEEP, "depth": 12, "epochs": 4}),
        ("multi, 20 sigmoid", {**BOTH, **DEEP, "epochs": 4}),
        ("autoencoder, 9 sigmoid", {**CODER, **DEEP, "depth": 9}),
    ),
    *faulty(
        "exploding",
        ("exploding", "overflow in the first step"),
        ("dense, 20 relu, large", {"depth": 20, **LARGE}),
        ("conv, 12 relu, large", {**CONV, "depth": 12, **LARGE, "epochs": 4}),
        ("residual, 10 relu, large", {"family": "residual", "depth": 10, **LARGE, "epochs": 4}),
        (
            "transfer, 12 relu, large",
            {**TRANSFER, "task": "digits", "depth": 12, **LARGE, "epochs": 4},
        ),
        ("multi, 16 relu, large", {**BOTH, "depth": 16, **LARGE, "epochs": 4}),
    ),
    *faulty(
        "attention without skips",
        ("attention collapse", "vanishing"),
        ("transformer, 6 plain", {**PLAIN, "depth": 6}),
        ("transformer, 10 plain", {**PLAIN, "depth": 10, "epochs": 2}),
        ("transformer, 8 plain, tanh", {**PLAIN, "depth": 8, "activation": "tanh"}),
    ),
    *faulty(
        "time",
        ("time",),
        ("rnn, first of 150", FIRST),
        ("rnn, first of 100, one layer", {**FIRST, "depth": 1, "steps": 100}),
        ("rnn, first of 100, sgd", {**FIRST, "steps": 100, "optimizer": f"{SGD}(0.02)"}),
    ),
]

SINGLE = [
    *faulty(
        "dead layer",
        ("dead layer",),
        ("dense, dead layer", {"depth": 5, "dead_layer": 2}, "hidden_2"),
        ("conv, dead layer", {**CONV, "depth": 5, "dead_layer": 3}, "hidden_3"),
        ("autoencoder, dead layer", {**CODER, "dead_layer": 3}, "hidden_3"),
        ("siamese, dead layer", {**SIAMESE, "depth": 4, "dead_layer": 1}, "hidden_1"),
        ("unet, plain, dead middle", {**UNET, "plain": True, "dead_layer": 2}, "hidden_2"),
        ("multi, dead layer", {**BOTH, "depth": 4, "dead_layer": 2}, "hidden_2"),
        ("gan, dead layer", {**GAN, "depth": 3, "dead_layer": 1}, "hidden_1"),
    ),
    *faulty(
        "one bad layer",
        ("one bad layer",),
        ("dense, one bad layer", {"depth": 8, "bad_layer": (4, 1e-6)}, "hidden_4"),
        ("conv, one bad layer", {**CONV, "depth": 8, "bad_layer": (3, 1e-6)}, "hidden_3"),
        ("autoencoder, bad layer", {**CODER, "depth": 7, "bad_layer": (3, 1e-6)}, "hidden_3"),
        (
            "siamese, bad layer",
            {**SIAMESE, "depth": 8, "bad_layer": (5, 1e-6), "optimizer": f"{SGD}(0.02)"},
            "hidden_5",
        ),
        ("multi, bad layer", {**BOTH, "depth": 8, "bad_layer": (2, 1e-6)}, "hidden_2"),
    ),
    *faulty(
        "cut off",
        ("cut off",),
        ("dense, cut", {"depth": 7, "activation": "sigmoid", "cut": 6}),
        ("conv, cut", {**CONV, "depth": 5, "activation": "sigmoid", "cut": 4, "epochs": 4}),
        ("multi, cut", {**BOTH, "depth": 7, "activation": "sigmoid", "cut": 6}),
    ),
]
