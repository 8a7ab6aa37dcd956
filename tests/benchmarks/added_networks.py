"""The part of the battery for kinds of findings that had no network in it.

Its author knew the rules, and what the battery says about other networks; the rules were not
changed by its results. Each fault has near-misses: networks that look alike and learn. The kind
`unexplained` has no network here: a fault that is known has a name.

Expected before the first run: numbers that are not finite, equal inputs, negative rates and missing
updates are named first in all. Labels of one class are missed where the rate is usual, as the loss
falls to 0. An output with two activations, or with sigmoids over classes, learns at a usual rate,
and nothing is said then. Behind many sigmoids, `vanishing` is said before `input lost`, and behind
few of them, `too slow` before `weak lower layers`: either is right, as each remedy helps.
"""

from battery_network import ADAM, DEEP, SGD, Network, faulty
from battery_settings import BOTH, CODER, CONV, REGRESSION, RNN, SIAMESE, TOKENS, TRANSFER

INFINITE = float("inf")
# The weights of a layer after a training that broke.
BROKEN = "[each.assign(each * float('nan')) for each in model.{}.weights]"
STEADY, QUICK = {"optimizer": f"{ADAM}(1e-3)"}, {"optimizer": f"{ADAM}(3e-3)"}
DIGITS = {**TRANSFER, "task": "digits"}
SIGMOIDS = {"activation": "sigmoid", "initializer": "glorot_uniform"}
FEW = {**SIGMOIDS, "depth": 3}
FIRST = {**RNN, "task": "first", "units": 12, "depth": 1, "epochs": 2, "probed": False, **STEADY}
SCHEDULE = "keras.optimizers.schedules.PolynomialDecay"


def compiled_with(loss):
    """The line that gives a compiled model another loss."""
    return {"model_code": f"model.compile(model.optimizer, {loss}, auto_scale_loss=False)"}


def of_logits(loss, **changes):
    """A crossentropy that expects what lies before a softmax or sigmoid."""
    metrics = "metrics=['accuracy']"
    return compiled_with(f"keras.losses.{loss}(from_logits=True), {metrics}") | changes


CLASSES, BINARY = "SparseCategoricalCrossentropy", "BinaryCrossentropy"
# A loss that leaves out what is missing.
MASKED = (
    "lambda truth, answer: keras.ops.square("
    "keras.ops.where(keras.ops.isnan(truth), 0.0, truth - answer))"
)
ONE_HOT = "y = np.eye(10, dtype='float32')[y]"
# The 3% of the images with most ink.
RARE = (
    "ink = x.reshape(len(x), -1).sum(axis=1, keepdims=True)\n"
    "y = (ink > ink.mean() + 2 * ink.std()).astype('float32')"
)

DATA = [
    *faulty("NaN in the targets", ("targets not finite",),
            ("added NaN target", {
                **REGRESSION, "depth": 3, "code": "y[700] = np.nan", "optimizer": f"{SGD}(0.02)"}),
            ("added infinite targets conv", {
                **CONV, **REGRESSION, "code": "y[::50] = np.inf", **QUICK}),
            ("added NaN target autoencoder", {**CODER, "code": "y[40, 3] = np.nan"}),
            ("added NaN targets gru", {
                **RNN, **REGRESSION, "cell": "GRU", "code": "y[900:932] = np.nan", **QUICK})),
    *faulty("weights that are not finite", ("weights not finite",),
            ("added NaN kernel", {
                "depth": 4, "model_code": BROKEN.format("get_layer('hidden_1')")}),
            ("added infinite kernel conv", {**CONV, "bad_layer": (0, INFINITE), **QUICK}),
            ("added NaN embedding transformer", {
                **TOKENS, "depth": 1, "model_code": BROKEN.format("get_layer('embed')")}),
            # Its own loss, binary cross-entropy, refuses NaN on PyTorch.
            ("added NaN encoder siamese", {
                **SIAMESE, "depth": 3, "loss": "mse",
                "model_code": BROKEN.format("get_layer('encoder')")}),
            curable=False),
    *faulty("inputs alike", ("inputs alike",),
            ("added zeros for inputs", {"code": "x = (x // 2).astype('float32')"}),
            ("added ones for inputs conv", {**CONV, "code": "x = x * 0 + 1", **QUICK}),
            ("added one number lstm", {
                **RNN, "cell": "LSTM", "code": "x = np.full_like(x, 0.3)", **QUICK}),
            ("added zeros for inputs siamese", {**SIAMESE, "code": "x = x * 0"}),
            curable=False),
    *faulty("targets alike", ("targets alike",),
            ("added one class", {"code": "y = np.full_like(y, 3)"}),
            ("added one class, slow conv", {
                **CONV, "task": "binary", "code": "y = y * 0", "optimizer": f"{ADAM}(1e-5)"}),
            ("added one number", {
                **REGRESSION, "code": "y = y * 0 + 2", "optimizer": f"{SGD}(0.01)"}),
            ("added one class transformer", {
                **TOKENS, "code": "y = y * 0", "optimizer": f"{SGD}(0.01)"}),
            curable=False),
]  # fmt: skip

OUTPUTS = [
    *faulty("two activations", ("probabilities taken for logits",),
            ("added softmax twice, 6 layers", of_logits(
                CLASSES, depth=6, optimizer=f"{SGD}(0.003)")),
            ("added softmax twice", of_logits(CLASSES, optimizer=f"{SGD}(0.1)")),
            ("added softmax twice, adam", of_logits(CLASSES, **QUICK)),
            ("added softmax twice conv", of_logits(
                CLASSES, **CONV, depth=3, optimizer=f"{SGD}(0.05)")),
            ("added sigmoid twice rnn", of_logits(
                BINARY, **RNN, task="binary", optimizer=f"{SGD}(0.02)")),
            ("added sigmoid twice siamese", of_logits(
                BINARY, **SIAMESE, optimizer=f"{SGD}(0.01)"))),
    *faulty("sigmoids over classes", ("no softmax with a categorical loss",),
            ("added sigmoids over classes", {"head": (10, "sigmoid")}),
            ("added sigmoids over classes, one-hot", {
                "head": (10, "sigmoid"), "loss": "categorical_crossentropy", "code": ONE_HOT,
                "optimizer": f"{SGD}(1.0)"}),
            ("added hard sigmoids over classes", {"head": (10, "hard_sigmoid"), **QUICK}),
            ("added sigmoids over classes conv", {
                **CONV, "depth": 3, "head": (10, "sigmoid"), "optimizer": f"{SGD}(0.05)"}),
            ("added sigmoids over classes rnn", {**RNN, "head": (10, "sigmoid")}),
            ("added sigmoids over classes transformer", {
                **TOKENS, "head": (10, "sigmoid"), "optimizer": f"{SGD}(0.3)"})),
]  # fmt: skip

UPDATES = [
    *faulty("negative rate", ("negative learning rate",),
            ("added rate -0.05", {"optimizer": f"{SGD}(-0.05)"}),
            ("added rate -1e-3 conv", {**CONV, "depth": 3, "optimizer": f"{ADAM}(-1e-3)"}),
            ("added rate -1e-3 rnn", {**RNN, "optimizer": f"{SGD}(-1e-3, momentum=0.9)"}),
            ("added rate -0.02 two outputs", {**BOTH, "optimizer": f"{SGD}(-0.02)"})),
    *faulty("no update", ("no update",),
            ("added accumulates 1000", {
                "optimizer": f"{SGD}(0.1, gradient_accumulation_steps=1000)"}),
            ("added accumulates 500 conv", {
                **CONV, "optimizer": f"{ADAM}(3e-3, gradient_accumulation_steps=500)"}),
            ("added accumulates 400 transformer", {
                **TOKENS, "optimizer": f"{ADAM}(3e-3, gradient_accumulation_steps=400)"}),
            ("added accumulates 300 autoencoder", {
                **CODER, "optimizer": f"{ADAM}(3e-3, gradient_accumulation_steps=300)"})),
]  # fmt: skip

DEPTH = [
    *faulty("sigmoids and adam", ("input lost", "vanishing"),
            ("added 10 sigmoid adam", {**DEEP, "depth": 10, **STEADY}),
            ("added 12 hard sigmoid rmsprop", {
                **DEEP, "depth": 12, "activation": "hard_sigmoid",
                "optimizer": "keras.optimizers.RMSprop(1e-3)"}),
            ("added 8 sigmoid adam conv", {**DEEP, **CONV, "depth": 8, **STEADY}),
            ("added 9 sigmoid adam autoencoder", {**CODER, **SIGMOIDS, "depth": 9, **STEADY}),
            ("added 10 sigmoid adam transfer", {**DIGITS, **DEEP, "depth": 10, **STEADY})),
    *faulty("few sigmoids", ("weak lower layers", "too slow", "vanishing"),
            ("added 3 sigmoid", {**FEW, "optimizer": f"{SGD}(0.03)"}),
            ("added 4 sigmoid", {**FEW, "depth": 4}),
            ("added 3 sigmoid conv", {**CONV, **FEW}),
            ("added 4 sigmoid siamese", {**SIAMESE, **FEW, "depth": 4}),
            ("added 3 sigmoid transfer", {**DIGITS, **FEW, "optimizer": f"{SGD}(0.03)"})),
    *faulty("time, without a probe", ("time not seen",),
            ("added first of 100, no probe", {**FIRST, "steps": 100}),
            ("added first of 60, no probe, sgd", {
                **FIRST, "steps": 60, "optimizer": f"{SGD}(0.02)"}),
            ("added first of 60, no probe, gru", {**FIRST, "steps": 60, "cell": "GRU"})),
]  # fmt: skip

SOUND = [
    Network(f"added sound {name}", "sound", changes)
    for name, changes in {
        # Near-misses of the data.
        "missing targets masked": {
            **REGRESSION, "code": "y[::7] = np.nan", **compiled_with(MASKED), **QUICK},
        "far targets conv": {
            **CONV, **REGRESSION, "code": "y[::100] = 5", "optimizer": f"{ADAM}(1e-2)"},
        "large kernel normalised": {"depth": 4, "bad_layer": (1, 30.0), "normalised": True},
        "large kernel normalised conv": {
            **CONV, "bad_layer": (0, 1e4), "normalised": True, "momentum": 0.9, **QUICK},
        "black or white": {"code": "x = (x > 0.9).astype('float32')"},
        "inputs nearly alike conv": {
            **CONV, "code": "x = 0.5 + 0.01 * x", "normalised": True, "momentum": 0.9, **QUICK},
        "a class of 3%": {"task": "binary", "code": RARE, "epochs": 8, **QUICK},
        # Added when the one above had not learned; its answers are no better.
        "a class of 3%, longer": {
            "task": "binary", "code": RARE, "epochs": 20, "optimizer": f"{ADAM}(1e-2)"},
        "targets nearly alike": {**REGRESSION, "code": "y = 3 + 0.1 * y", "epochs": 10, **QUICK},
        # Near-misses of the outputs.
        "logits": of_logits(CLASSES, head=(10, None)),
        "logits siamese": of_logits(BINARY, **SIAMESE, head=(1, None), **QUICK),
        "ten yes or no": {
            "head": (10, "sigmoid"), "loss": "binary_crossentropy", "code": ONE_HOT, **QUICK},
        "ten yes or no conv": {
            **CONV, "depth": 3, "head": (10, "sigmoid"), "loss": "binary_crossentropy",
            "code": ONE_HOT, "optimizer": f"{ADAM}(1e-2)"},
        # Near-misses of the updates.
        "rate that ends below 0": {"optimizer": f"{SGD}({SCHEDULE}(0.1, 180, -1e-3))"},
        "rate that ends below 0 conv": {
            **CONV, "depth": 3, "optimizer": f"{ADAM}({SCHEDULE}(5e-3, 190, -1e-5))"},
        "accumulates 4": {"optimizer": f"{SGD}(0.3, gradient_accumulation_steps=4)"},
        "accumulates 2 siamese": {
            **SIAMESE, "optimizer": f"{ADAM}(5e-3, gradient_accumulation_steps=2)"},
        # Near-misses of depth and time.
        "10 sigmoid adam, skips": {**DEEP, "depth": 10, "skips": True, **QUICK},
        "3 sigmoid adam": {**FEW, **QUICK},
        "4 tanh adam conv": {
            **CONV, "depth": 4, "activation": "tanh", "initializer": "glorot_uniform", **QUICK},
        "2 sigmoid, fast": {**FEW, "depth": 2, "optimizer": f"{SGD}(0.5, momentum=0.9)"},
        "3 sigmoid normalised": {**FEW, "normalised": True, "momentum": 0.9},
        "3 sigmoid transfer": {**DIGITS, **FEW, "optimizer": f"{ADAM}(1e-2)"},
        "rnn, no probe": {**RNN, "probed": False, **QUICK},
        "first of 4, no probe": {**FIRST, "steps": 4, "epochs": 8, "optimizer": f"{ADAM}(1e-2)"},
    }.items()
]  # fmt: skip

NETWORKS = [*DATA, *OUTPUTS, *UPDATES, *DEPTH, *SOUND]
