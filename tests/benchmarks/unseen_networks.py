"""The late part of the battery: networks that no rule has seen.

Written when the rules were finished for the third time, without the rules or an answer of theirs at
hand. The faults are mistakes that people ask about: a column that was never scaled, a deviation of
0 to divide by, targets left at 255, labels that count from 1, integer division of pixels, a warm-up
counted in samples, an optimizer's rate in the wrong unit. Its figures are given apart.
"""

from battery_network import ADAM, SGD, faulty
from unseen_sound import NADAM, OPTIMIZERS, RMSPROP, SCHEDULES, SOUND, TANH

LION, ADAMW = f"{OPTIMIZERS}.Lion", f"{OPTIMIZERS}.AdamW"
# The rate is 0 from the second step on: a boundary in epochs where steps are meant.
ENDED = f"{ADAM}({SCHEDULES}.PiecewiseConstantDecay([0], [1e-3, 0.0]))"
# A warm-up of a million samples, given as steps.
LONG_WARM_UP = (
    f"optimizer = {ADAM}({SCHEDULES}.CosineDecay("
    "0.0, 1_000_000, warmup_target=1e-3, warmup_steps=1_000_000))"
)
LATE_JUMP = f"{ADAM}({SCHEDULES}.PiecewiseConstantDecay([150], [5e-3, 50.0]))"
# The number of each customer, left among the columns.
NUMBERED = "x[:, 0] = np.arange(len(x)) * 1e4"
# Of bytes, the integer part of a division by 255.
INTEGER = "x = ((x * 250).astype('uint8') // 255).astype('float32')"
# A pixel that is always 0 has a deviation of 0.
ZERO_BY_ZERO = "x = (x - x.mean(0)) / x.std(0)"
INFINITE = "x.reshape(len(x), -1)[600, 3] = np.inf"
# np.random.shuffle for the inputs alone.
INPUTS_SHUFFLED = "x = x[np.random.default_rng(3).permutation(len(x))]"
PRICES = "y = (y * 8e4 + 3e5).astype('float32') if y.dtype != np.int32 else y"
HALF = {"policy": "mixed_float16", "loss_weight": 1e-7}

UPDATES = [
    *faulty("rate 0", ("learning rate 0",),
            ("late 3 rate 0 residual", {
                "family": "residual", "depth": 5, "units": 20, "activation": "elu",
                "optimizer": f"{OPTIMIZERS}.Adamax(0.0)"})),
    *faulty("rate fades", ("learning rate 0", "updates too small", "too slow"),
            ("late 3 rate ends autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 60, "task": "rebuild",
                "activation": "swish", "optimizer": ENDED})),
    *faulty("slow rate", ("too slow", "updates too small"),
            ("late 3 warm-up in samples transformer", {
                "family": "transformer", "depth": 2, "units": 28, "activation": "gelu",
                "code": LONG_WARM_UP}),
            ("late 3 slow gan", {
                "family": "gan", "depth": 2, "units": 36, "task": "points",
                "activation": "leaky_relu", "optimizer": f"{NADAM}(3e-6)", "epochs": 6}),
            ("late 3 slow lion conv", {
                "family": "conv", "depth": 4, "units": 28, "activation": "elu",
                "optimizer": f"{LION}(1e-7)"})),
    *faulty("high rate", ("learning rate too high",),
            ("late 3 high rate conv", {
                "family": "conv", "depth": 3, "units": 32, "activation": "leaky_relu",
                "optimizer": f"{ADAM}(1.0)"}),
            ("late 3 high rate gru", {
                "family": "rnn", "cell": "GRU", "depth": 2, "units": 24,
                "optimizer": f"{RMSPROP}(2.0)"}),
            ("late 3 high rate two outputs", {
                "family": "multi", "depth": 3, "units": 48, "task": "both",
                "optimizer": f"{SGD}(3.0, momentum=0.95)"}),
            ("late 3 high rate transfer", {
                "family": "transfer", "depth": 2, "units": 32, "base": "trains",
                "optimizer": f"{NADAM}(1.0)"})),
    *faulty("clipping", ("clipping",),
            ("late 3 clipvalue residual", {
                "family": "residual", "depth": 6, "units": 24, "normalised": True,
                "optimizer": f"{SGD}(0.05, momentum=0.9, clipvalue=1e-8)"}),
            # Far below the epsilon that Adam adds to what it divides by.
            ("late 3 clipped adam transfer", {
                "family": "transfer", "depth": 2, "units": 28, "task": "regression",
                "optimizer": f"{ADAM}(1e-3, global_clipnorm=1e-11)"}),
            ("late 3 clipped unet", {
                "family": "unet", "units": 20, "task": "rebuild", "activation": "elu",
                "optimizer": f"{SGD}(0.01, nesterov=True, momentum=0.8, clipnorm=1e-7)"})),
    *faulty("tiny loss", ("loss too small", "updates too small", "too slow"),
            ("late 3 tiny loss conv", {
                "family": "conv", "depth": 2, "units": 40, "task": "binary",
                "loss_weight": 1e-8, "optimizer": f"{SGD}(0.2, momentum=0.9)"}),
            ("late 3 tiny loss adam lstm", {
                "family": "rnn", "cell": "LSTM", "depth": 1, "units": 24, "loss_weight": 1e-12,
                "optimizer": f"{ADAM}(1e-3)"})),
    *faulty("float16", ("float16 underflow", "loss too small"),
            ("late 3 float16 conv", {
                "family": "conv", "depth": 3, "units": 32, "activation": "elu", **HALF,
                "optimizer": f"{ADAM}(1e-3)"}),
            ("late 3 float16 transformer", {
                "family": "transformer", "depth": 2, "units": 24, **HALF,
                "optimizer": f"{RMSPROP}(1e-3)"}),
            ("late 3 float16 tanh", {
                "depth": 3, "units": 40, **TANH, **HALF, "optimizer": f"{NADAM}(2e-3)"})),
    *faulty("late", ("late failure", "learning rate too high"),
            ("late 3 jump gru", {
                "family": "rnn", "cell": "GRU", "depth": 1, "units": 32, "optimizer": LATE_JUMP,
                "epochs": 8}),
            ("late 3 jump unet", {
                "family": "unet", "units": 16, "task": "rebuild", "activation": "elu",
                "jump": 5000.0, "optimizer": f"{ADAM}(3e-3)", "epochs": 6}),
            ("late 3 jump siamese", {
                "family": "siamese", "depth": 2, "units": 56, "task": "pairs", "jump": 5000.0,
                "optimizer": f"{ADAM}(3e-3)", "epochs": 12})),
    *faulty("weight decay", ("weight decay",),
            ("late 3 penalty lstm", {
                "family": "rnn", "cell": "LSTM", "depth": 2, "units": 20, "penalty": 3.0,
                "optimizer": f"{SGD}(0.1)"}),
            ("late 3 decay residual", {
                "family": "residual", "depth": 6, "units": 28, "activation": "swish",
                "optimizer": f"{ADAMW}(2e-3, weight_decay=100.0)"}),
            ("late 3 decay transfer", {
                "family": "transfer", "depth": 3, "units": 36,
                "optimizer": f"{SGD}(0.1, momentum=0.5, weight_decay=2.0)"})),
]  # fmt: skip

OUTPUTS = [
    *faulty("softmax over one unit", ("softmax over one unit",),
            ("late 3 softmax over one lstm", {
                "family": "rnn", "cell": "LSTM", "depth": 1, "units": 20, "task": "binary",
                "head": (1, "softmax"), "optimizer": f"{ADAM}(3e-3)"}),
            ("late 3 softmax over one regression", {
                "depth": 3, "units": 48, "activation": "elu", "task": "regression",
                "head": (1, "softmax"), "optimizer": f"{RMSPROP}(1e-3)"})),
    # Ten classes, and one unit between 0 and 1. (Binary cross-entropy refuses them on PyTorch.)
    *faulty("one unit for ten classes", ("too few output units", "targets out of reach"),
            ("late 3 one unit for ten classes", {
                "depth": 2, "units": 64, "head": (1, "sigmoid"), "loss": "mse",
                "optimizer": f"{ADAM}(1e-3)"})),
    *faulty("categorical loss over one unit", ("too few output units",),
            ("late 3 categorical siamese", {
                "family": "siamese", "depth": 3, "units": 36, "task": "pairs",
                "loss": "categorical_crossentropy", "optimizer": f"{SGD}(0.05, momentum=0.9)"})),
    # Labels of 1 and 2, not of 0 and 1; pixels divided by 255 as inputs, but not as targets.
    *faulty("targets out of reach", ("targets out of reach", "targets too large"),
            ("late 3 labels from 1 conv", {
                "family": "conv", "depth": 3, "units": 36, "task": "binary", "code": "y = y + 1",
                "loss": "mse", "optimizer": f"{ADAM}(2e-3)"}),
            ("late 3 pixels of 255 autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 64, "task": "rebuild",
                "head": (64, "sigmoid"), "code": "y = x * np.float32(255.0)",
                "optimizer": f"{ADAM}(1e-3)"}),
            ("late 3 tanh of targets of 20 transformer", {
                "family": "transformer", "depth": 1, "units": 32, "task": "regression",
                "shift": 20.0, "head": (1, "tanh"), "optimizer": f"{ADAMW}(2e-3)"})),
    # Its answers are 0 to the last digit that float32 has.
    *faulty("saturated output", ("no gradient",),
            ("late 3 saturated sigmoid residual", {
                "family": "residual", "depth": 4, "units": 28, "task": "binary", "loss": "mse",
                "head_bias": -300.0, "optimizer": f"{ADAM}(2e-3)"})),
    *faulty("dead output", ("no gradient", "dead layer"),
            ("late 3 dead relu output transfer", {
                "family": "transfer", "depth": 1, "units": 40, "task": "regression",
                "shift": 5.0, "head": (1, "relu"), "head_bias": -100.0,
                "optimizer": f"{SGD}(0.01, momentum=0.9)"})),
    *faulty("logits taken for probabilities", ("logits taken for probabilities",),
            ("late 3 logits residual", {
                "family": "residual", "depth": 4, "units": 32, "head": (10, None),
                "head_bias": -6.0, "optimizer": f"{RMSPROP}(1e-3)"}),
            ("late 3 logits two outputs", {
                "family": "multi", "depth": 2, "units": 56, "task": "both", "head": (10, None),
                "head_bias": -3.0, "optimizer": f"{ADAM}(1e-3)"})),
]  # fmt: skip

DATA = [
    # The second kind came with a later rule, for inputs that are all 0.
    *faulty("shuffled labels", ("nothing to learn", "inputs alike"),
            ("late 3 inputs shuffled autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 40, "task": "rebuild", **TANH,
                "code": INPUTS_SHUFFLED, "optimizer": f"{RMSPROP}(1e-3)"}),
            ("late 3 inputs shuffled residual", {
                "family": "residual", "depth": 4, "units": 20, "normalised": True,
                "code": INPUTS_SHUFFLED, "optimizer": f"{SGD}(0.02, momentum=0.9)"}),
            ("late 3 inputs shuffled two outputs", {
                "family": "multi", "depth": 2, "units": 24, "task": "both", "activation": "elu",
                "code": INPUTS_SHUFFLED, "optimizer": f"{ADAM}(5e-4)"}),
            ("late 3 all inputs 0 conv", {
                "family": "conv", "depth": 2, "units": 36, "code": INTEGER,
                "optimizer": f"{ADAM}(2e-3)"}), curable=False),
    *faulty("NaN in a batch", ("inputs not finite",),
            ("late 3 0 by 0", {
                "depth": 3, "units": 44, "activation": "elu", "code": ZERO_BY_ZERO,
                "optimizer": f"{ADAM}(1e-3)"}),
            ("late 3 infinite residual", {
                "family": "residual", "depth": 5, "units": 20, "normalised": True,
                "code": INFINITE, "optimizer": f"{SGD}(0.05)"}),
            ("late 3 NaN two outputs", {
                "family": "multi", "depth": 2, "units": 36, "task": "both", "broken_step": 30,
                "optimizer": f"{RMSPROP}(1e-3)"})),
    *faulty("large inputs", ("inputs too large",),
            ("late 3 customer numbers", {
                "depth": 2, "units": 40, "code": NUMBERED,
                "optimizer": f"{SGD}(0.05)"}),
            ("late 3 inputs of 255 residual", {
                "family": "residual", "depth": 4, "units": 24, "scale": 255.0,
                "activation": "leaky_relu", "optimizer": f"{SGD}(0.05)"}),
            ("late 3 inputs of 255 autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 48, "task": "rebuild",
                "activation": "elu", "scale": 255.0, "optimizer": f"{SGD}(0.1)"})),
    *faulty("large targets", ("targets too large",),
            ("late 3 prices residual", {
                "family": "residual", "depth": 3, "units": 28, "task": "regression",
                "code": PRICES, "optimizer": f"{ADAM}(1e-3)"}),
            ("late 3 prices two outputs", {
                "family": "multi", "depth": 3, "units": 32, "task": "both", "code": PRICES,
                "optimizer": f"{RMSPROP}(1e-3)"}),
            ("late 3 prices transfer", {
                "family": "transfer", "depth": 2, "units": 32, "task": "regression",
                "activation": "elu", "code": PRICES, "optimizer": f"{SGD}(0.01)"})),
]  # fmt: skip

LAYERS = [
    *faulty("units alike", ("units alike",),
            ("late 3 zeros residual", {
                "family": "residual", "depth": 4, "units": 24, "initializer": "zeros",
                "optimizer": f"{ADAM}(2e-3)"}, "hidden_0"),
            ("late 3 zeros unet", {
                "family": "unet", "units": 20, "task": "denoise", "initializer": "zeros",
                "activation": "gelu", "optimizer": f"{NADAM}(2e-3)"}, "hidden_0"),
            ("late 3 ones two outputs", {
                "family": "multi", "depth": 3, "units": 28, "task": "both", "activation": "tanh",
                "initializer": "ones", "optimizer": f"{SGD}(0.05)"}, "hidden_0")),
    *faulty("overflow", ("overflow in the first step", "exploding"),
            ("late 3 exponential transfer", {
                "family": "transfer", "depth": 6, "units": 40, "activation": "exponential",
                "initializer": "he_normal", "optimizer": f"{ADAM}(1e-3)"}),
            ("late 3 exponential siamese", {
                "family": "siamese", "depth": 7, "units": 32, "task": "pairs", "loss": "mse",
                "activation": "exponential", "optimizer": f"{RMSPROP}(1e-3)"})),
    *faulty("exploding", ("exploding", "overflow in the first step"),
            # The standard deviation of tf.random.normal is 1.
            ("late 3 exploding autoencoder", {
                "family": "autoencoder", "depth": 11, "units": 96, "task": "rebuild",
                "activation": "elu", "initializer": 1.0, "optimizer": f"{SGD}(0.01)"}),
            ("late 3 exploding gan", {
                "family": "gan", "depth": 8, "units": 40, "task": "points", "initializer": 2.0,
                "optimizer": f"{SGD}(0.01)", "epochs": 6})),
    *faulty("vanishing", ("vanishing",),
            # Between -0.05 and 0.05, whatever the width.
            ("late 3 vanishing random uniform", {
                "depth": 16, "units": 40, "initializer": "random_uniform",
                "optimizer": f"{SGD}(0.1, momentum=0.9)"}),
            ("late 3 vanishing sigmoid transfer", {
                "family": "transfer", "depth": 15, "units": 32, "activation": "sigmoid",
                "initializer": "glorot_normal", "optimizer": f"{SGD}(0.2)"}),
            ("late 3 vanishing softsign siamese", {
                "family": "siamese", "depth": 14, "units": 48, "task": "pairs",
                "activation": "softsign", "initializer": 0.04, "optimizer": f"{SGD}(0.1)"})),
    *faulty("attention without skips", ("attention collapse", "vanishing"),
            ("late 3 plain transformer", {
                "family": "transformer", "depth": 10, "units": 20, "plain": True,
                "activation": "gelu", "optimizer": f"{SGD}(5e-3)", "epochs": 2})),
    *faulty("time", ("time",),
            ("late 3 first of 75", {
                "family": "rnn", "depth": 2, "units": 24, "task": "first", "steps": 75,
                "optimizer": f"{NADAM}(1e-3)", "epochs": 3}), curable=False),
    *faulty("dead layer", ("dead layer",),
            # A bias that was meant to make units sparse, in each layer.
            ("late 3 bias of -60", {
                "depth": 4, "units": 52, "bias": -60.0, "optimizer": f"{ADAM}(2e-3)"},
             "hidden_0"),
            ("late 3 dead first residual", {
                "family": "residual", "depth": 6, "units": 24, "dead_layer": 0,
                "optimizer": f"{RMSPROP}(1e-3)"}, "hidden_0"),
            ("late 3 dead first gelu unet", {
                "family": "unet", "units": 24, "task": "denoise", "activation": "gelu",
                "dead_layer": 0, "optimizer": f"{ADAM}(3e-3)"}, "hidden_0")),
    *faulty("one bad layer", ("one bad layer",),
            ("late 3 bad 4th of 9", {
                "depth": 9, "units": 36, "bad_layer": (3, 1e-8), "optimizer": f"{SGD}(0.02)",
                "epochs": 3}, "hidden_3")),
    *faulty("one layer of zeros", ("units alike", "one bad layer", "dead layer"),
            ("late 3 zeros in the 5th of 6 siamese", {
                "family": "siamese", "depth": 6, "units": 32, "task": "pairs",
                "bad_layer": (4, 0.0), "optimizer": f"{ADAM}(2e-3)"}, "hidden_4")),
    *faulty("cut off", ("cut off",),
            ("late 3 cut autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 32, "task": "rebuild",
                "activation": "sigmoid", "cut": 2, "optimizer": f"{ADAM}(5e-3)"}),
            ("late 3 cut transfer", {
                "family": "transfer", "depth": 4, "units": 40, "activation": "sigmoid", "cut": 3,
                "optimizer": f"{ADAM}(2e-3)"})),
]  # fmt: skip

NETWORKS = [*UPDATES, *OUTPUTS, *DATA, *LAYERS, *SOUND]
