"""Networks that learn: a finding about one of them is a false alarm."""

from battery_network import ADAM, DEEP, SGD, Network
from battery_settings import BOTH, CODER, CONV, GAN, RNN, SIAMESE, TOKENS, TRANSFER, UNET

REGRESSION = {"task": "regression"}
TANH = {"activation": "tanh", "initializer": "glorot_uniform"}
STEADY = {"optimizer": f"{ADAM}(1e-3)"}
QUICK = {"optimizer": f"{ADAM}(3e-3)"}

DENSE = {
    "dense": {},
    "dense, adam": STEADY,
    "dense, adam 1e-2": {"optimizer": f"{ADAM}(1e-2)"},
    "dense, slow": {"optimizer": f"{SGD}(0.01)", "epochs": 8},
    "dense, momentum": {"optimizer": f"{SGD}(0.02, momentum=0.9)"},
    "dense, 1 layer": {"depth": 1},
    "dense, 6 relu": {"depth": 6},
    "dense, 12 tanh": {"depth": 12, **TANH},
    "dense, 20 sigmoid, skips": {**DEEP, "skips": True, "epochs": 8},
    "dense, 30 relu, skips": {"depth": 30, "skips": True, "epochs": 4, "optimizer": f"{SGD}(0.01)"},
    "dense, 10 selu": {"depth": 10, "activation": "selu", "initializer": "lecun_normal"},
    "dense, gelu": {"depth": 4, "activation": "gelu"},
    "dense, decay": {"optimizer": "keras.optimizers.AdamW(1e-3, weight_decay=0.01)"},
    "dense, clipped": {"optimizer": f"{SGD}(0.1, global_clipnorm=1.0)"},
    "dense, inputs 16": {"scale": 16.0, **STEADY},
    "dense, inputs 255": {"scale": 255.0, **STEADY},
    "dense, penalty": {"penalty": 0.01},
    "dense, float16": {"policy": "mixed_float16"},
    "dense, logistic": {"depth": 0},
    "dense, dropout": {"dropout": 0.5, **QUICK},
    "dense, half of the labels wrong": {"shuffled": 0.5, **STEADY},
    "dense, normalised": {"depth": 4, "normalised": True},
    "binary": {"task": "binary"},
    "binary, hinge": {"task": "binary", "head": (1, "tanh"), "loss": "hinge"},
    "binary, rare class": {"task": "rare", **QUICK},
    "regression": {**REGRESSION, "optimizer": f"{SGD}(0.02)"},
    "regression, rmsprop": {**REGRESSION, "optimizer": "keras.optimizers.RMSprop(1e-3)"},
    "regression, far targets": {**REGRESSION, "shift": 5.0, **QUICK},
}

OTHERS = {
    "autoencoder": {"task": "rebuild", "units": 16, **QUICK},
    "autoencoder, hourglass": CODER,
    "autoencoder, 7 tanh": {**CODER, **TANH, "depth": 7, "units": 64},
    "conv": {**CONV, "depth": 3, **QUICK},
    "conv, normalised": {**CONV, "depth": 6, "normalised": True},
    "conv, 1 layer": {**CONV, "depth": 1, "optimizer": f"{ADAM}(1e-2)"},
    "conv, regression": {**CONV, **REGRESSION, "depth": 3, **QUICK},
    "residual": {"family": "residual", "depth": 12, "normalised": True, "epochs": 4},
    "residual, adam": {"family": "residual", "depth": 4, **STEADY},
    "residual, tanh": {"family": "residual", "depth": 6, **TANH, "epochs": 6},
    "rnn": {**RNN, **QUICK},
    "rnn, sgd": {**RNN, "epochs": 6},
    "lstm": {**RNN, "cell": "LSTM", **QUICK},
    "gru": {**RNN, "cell": "GRU", **QUICK},
    "lstm, 1 layer, regression": {**RNN, **REGRESSION, "cell": "LSTM", "depth": 1, **QUICK},
    "transformer": TOKENS,
    "transformer, 4 blocks": {**TOKENS, "depth": 4},
    "transformer, sgd": {**TOKENS, "optimizer": f"{SGD}(0.01)"},
    "unet": UNET,
    "unet, plain": {**UNET, "plain": True, "task": "rebuild"},
    "unet, sgd": {**UNET, "optimizer": f"{SGD}(0.05, momentum=0.9)"},
    "gan": {**GAN, "optimizer": f"{ADAM}(1e-3, beta_1=0.5)"},
    "gan, deeper": {**GAN, "depth": 3, "optimizer": f"{ADAM}(2e-3, beta_1=0.5)"},
    "siamese": {**SIAMESE, **QUICK},
    "siamese, 4 layers": {**SIAMESE, "depth": 4, **STEADY},
    "multi": {**BOTH, **STEADY},
    "multi, sgd": {**BOTH, "optimizer": f"{SGD}(0.05)"},
    "transfer": {**TRANSFER, **STEADY},
    "transfer, head only": {**TRANSFER, "depth": 0},
    "transfer, digits": {"family": "transfer", "depth": 1, "epochs": 4},
    "transfer, fine tuning": {**TRANSFER, "base": "trains", "optimizer": f"{ADAM}(3e-4)"},
}

SOUND = [
    Network(f"sound: {name}", "sound", changes) for name, changes in {**DENSE, **OTHERS}.items()
]
