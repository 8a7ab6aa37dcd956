"""Networks whose fault is in the settings: rates, clipping, losses, outputs, data."""

from battery_network import ADAM, SGD, faulty

CONV, RNN = {"family": "conv"}, {"family": "rnn"}
UNET = {"family": "unet", "task": "denoise", "epochs": 3, "optimizer": f"{ADAM}(3e-3)"}
CODER = {"family": "autoencoder", "depth": 5, "task": "rebuild", "optimizer": f"{ADAM}(3e-3)"}
TOKENS = {"family": "transformer", "epochs": 3, "optimizer": f"{ADAM}(1e-3)"}
SIAMESE = {"family": "siamese", "task": "pairs"}
TRANSFER = {"family": "transfer", "task": "binary"}
BOTH = {"family": "multi", "task": "both"}
GAN = {"family": "gan", "task": "points"}
REGRESSION = {"task": "regression"}
ONE_SOFTMAX = {"task": "binary", "head": (1, "softmax")}
CATEGORICAL = {"task": "binary", "loss": "categorical_crossentropy"}
HALF = {"policy": "mixed_float16", "loss_weight": 1e-7, "optimizer": f"{ADAM}(1e-3)"}

RATES = [
    *faulty(
        "rate 0",
        ("learning rate 0",),
        ("dense, rate 0", {"optimizer": f"{SGD}(0.0)"}),
        ("conv, rate 0", {**CONV, "optimizer": f"{ADAM}(0.0)"}),
        ("rnn, rate 0", {**RNN, "optimizer": f"{SGD}(0.0)"}),
        ("transformer, rate 0", {**TOKENS, "optimizer": f"{ADAM}(0.0)"}),
        ("gan, rate 0", {**GAN, "optimizer": f"{ADAM}(0.0)"}),
    ),
    *faulty(
        "rate that changes nothing",
        ("updates too small", "too slow"),
        ("dense, rate 1e-7", {"optimizer": f"{SGD}(1e-7)"}),
        ("conv, rate 1e-8", {**CONV, "optimizer": f"{ADAM}(1e-8)"}),
        ("unet, rate 1e-9", {**UNET, "optimizer": f"{ADAM}(1e-9)"}),
        ("gan, rate 1e-9", {**GAN, "optimizer": f"{ADAM}(1e-9)"}),
    ),
    *faulty(
        "slow rate",
        ("too slow", "updates too small"),
        ("dense, rate 3e-5", {"optimizer": f"{SGD}(3e-5)"}),
        ("conv, adam 3e-6", {**CONV, "depth": 3, "optimizer": f"{ADAM}(3e-6)"}),
        ("transformer, adam 1e-6", {**TOKENS, "optimizer": f"{ADAM}(1e-6)"}),
        ("multi, rate 3e-5", {**BOTH, "optimizer": f"{SGD}(3e-5)"}),
    ),
    *faulty(
        "high rate",
        ("learning rate too high",),
        ("dense, rate 10", {"optimizer": f"{SGD}(10.0)"}),
        ("dense, adam 3", {"optimizer": f"{ADAM}(3.0)"}),
        ("conv, rate 30", {**CONV, "depth": 4, "optimizer": f"{SGD}(30.0)"}),
        ("regression, rate 10", {**REGRESSION, "optimizer": f"{SGD}(10.0)"}),
        ("transformer, adam 1", {**TOKENS, "optimizer": f"{ADAM}(1.0)"}),
        ("unet, adam 10", {**UNET, "optimizer": f"{ADAM}(10.0)"}),
        ("siamese, adam 3", {**SIAMESE, "optimizer": f"{ADAM}(3.0)"}),
        ("gan, adam 3", {**GAN, "optimizer": f"{ADAM}(3.0)"}),
    ),
    *faulty(
        "clipping",
        ("clipping",),
        ("dense, clipped", {"optimizer": f"{SGD}(0.1, global_clipnorm=1e-7)"}),
        ("conv, clipped", {**CONV, "optimizer": f"{SGD}(0.1, clipnorm=1e-7)"}),
        ("transformer, clipped", {**TOKENS, "optimizer": f"{SGD}(0.01, global_clipnorm=1e-7)"}),
        ("siamese, clipped", {**SIAMESE, "optimizer": f"{SGD}(0.1, global_clipnorm=1e-7)"}),
    ),
    *faulty(
        "tiny loss",
        ("loss too small", "updates too small", "too slow"),
        ("dense, loss times 1e-8", {"loss_weight": 1e-8}),
        ("siamese, loss times 1e-8", {**SIAMESE, "loss_weight": 1e-8}),
        ("unet, loss times 1e-10", {**UNET, "loss_weight": 1e-10}),
    ),
    *faulty(
        "float16",
        ("float16 underflow",),
        ("dense, float16", HALF),
        ("autoencoder, float16", {**CODER, **HALF, "loss_weight": 1e-6}),
        ("siamese, float16", {**SIAMESE, **HALF}),
    ),
    *faulty(
        "late",
        ("late failure",),
        ("dense, late", {"jump": 300.0, "epochs": 8}),
        ("conv, late", {**CONV, "jump": 1000.0, "depth": 3, "epochs": 10}),
        ("autoencoder, late", {**CODER, "jump": 1000.0, "epochs": 8}),
        (
            "transformer, late",
            {**TOKENS, "jump": 1000.0, "epochs": 6, "optimizer": f"{ADAM}(3e-3)"},
        ),
    ),
    *faulty(
        "dropout",
        ("too much dropout",),
        ("dense, dropout 0.95", {"depth": 3, "dropout": 0.95, "optimizer": f"{ADAM}(1e-3)"}),
        (
            "multi, dropout 0.95",
            {**BOTH, "depth": 4, "dropout": 0.95, "optimizer": f"{ADAM}(1e-3)"},
        ),
        ("siamese, dropout 0.9", {**SIAMESE, "depth": 4, "dropout": 0.9}),
    ),
]

OUTPUTS = [
    *faulty(
        "softmax over one unit",
        ("softmax over one unit",),
        ("dense, softmax over one", ONE_SOFTMAX),
        ("conv, softmax over one, categorical", {**CONV, **ONE_SOFTMAX, **CATEGORICAL}),
        ("transfer, softmax over one", {**TRANSFER, **ONE_SOFTMAX}),
        ("siamese, softmax over one", {**SIAMESE, "head": (1, "softmax")}),
    ),
    *faulty(
        "categorical loss over one unit",
        ("too few output units",),
        ("dense, sigmoid, categorical", CATEGORICAL),
        ("rnn, sigmoid, categorical", {**RNN, **CATEGORICAL, "epochs": 4}),
        ("transfer, sigmoid, categorical", {**TRANSFER, **CATEGORICAL}),
    ),
    *faulty(
        "saturated or dead output",
        ("no gradient", "targets out of reach"),
        ("dense, dead output", {**REGRESSION, "head": (1, "relu"), "head_bias": -1e3}),
        ("autoencoder, dead output", {**CODER, "head": (64, "relu"), "head_bias": -1e3}),
        ("unet, dead output", {**UNET, "head": (1, "relu"), "head_bias": -1e3}),
    ),
    *faulty(
        "targets out of reach",
        ("targets out of reach",),
        ("regression, sigmoid output", {**REGRESSION, "head": (1, "sigmoid"), "shift": 5.0}),
        ("conv, tanh output", {**CONV, **REGRESSION, "head": (1, "tanh"), "shift": 5.0}),
        (
            "rnn, sigmoid output",
            {**RNN, **REGRESSION, "head": (1, "sigmoid"), "shift": -5.0, "epochs": 4},
        ),
    ),
    *faulty(
        "logits taken for probabilities",
        ("logits taken for probabilities",),
        ("dense, logits", {"head": (10, None), "optimizer": f"{SGD}(0.5)"}),
        ("conv, logits", {**CONV, "head": (10, None), "optimizer": f"{SGD}(0.5)"}),
        ("siamese, logits", {**SIAMESE, "head": (1, None), "head_bias": -3.0}),
    ),
]

DATA = [
    *faulty(
        "shuffled labels",
        ("nothing to learn",),
        ("dense, shuffled", {"shuffled": 1.0, "epochs": 4}),
        ("conv, shuffled", {**CONV, "shuffled": 1.0, "epochs": 4}),
        ("rnn, shuffled", {**RNN, "shuffled": 1.0, "epochs": 4}),
        ("transformer, shuffled", {**TOKENS, "shuffled": 1.0, "optimizer": f"{SGD}(0.01)"}),
        ("siamese, shuffled", {**SIAMESE, "shuffled": 1.0, "epochs": 4}),
        ("transfer, dead base", {**TRANSFER, "base": "dead", "epochs": 4}),
        curable=False,
    ),
    *faulty(
        "NaN in a batch",
        ("inputs not finite",),
        ("dense, NaN in step 20", {"broken_step": 20}),
        ("conv, NaN in step 0", {**CONV, "broken_step": 0}),
        ("rnn, NaN in step 35", {**RNN, "broken_step": 35, "epochs": 4}),
        ("transformer, NaN in step 10", {**TOKENS, "broken_step": 10}),
        ("unet, NaN in step 5", {**UNET, "broken_step": 5}),
        ("transfer, NaN in step 15", {**TRANSFER, "task": "digits", "broken_step": 15}),
    ),
    *faulty(
        "large inputs",
        ("inputs too large",),
        ("dense, inputs 255", {"scale": 255.0, "initializer": 1.0}),
        ("conv, inputs 255", {**CONV, "scale": 255.0, "depth": 3}),
        ("regression, inputs 1e4", {**REGRESSION, "scale": 1e4}),
        ("multi, inputs 255", {**BOTH, "scale": 255.0, "depth": 3}),
        ("siamese, inputs 255", {**SIAMESE, "scale": 255.0, "depth": 3}),
        ("transfer, inputs 255", {**TRANSFER, "scale": 255.0, "depth": 3}),
    ),
    *faulty(
        "large targets",
        ("targets too large",),
        ("regression, targets 1e4", {**REGRESSION, "shift": 1e4}),
        ("conv, targets 1e4", {**CONV, **REGRESSION, "shift": 1e4, "epochs": 4}),
        ("rnn, targets 1e4", {**RNN, **REGRESSION, "shift": 1e4, "epochs": 4}),
    ),
]
