"""The second late quarter of the battery: networks written after the rules were frozen again.

Neither the rules nor what they say about any network was at hand. The families and the kinds of
faults are the battery's; sizes, data, activations, losses, optimizers, rates and the place of the
fault are others. What is said about each was looked at since, so it counts with the rest;
`unseen_networks.py` has taken its place.
"""

from battery_network import ADAM, SGD, Network, faulty

RMSPROP, NADAM = "keras.optimizers.RMSprop", "keras.optimizers.Nadam"
TANH = {"activation": "tanh", "initializer": "glorot_uniform"}
STANDARD = "x = ((x - x.mean()) / x.std()).astype('float32')"
# Black or white pixels, and the last digit of five.
FIVE = "x = (x > 0.5).astype('float32')\ny = (y % 5).astype('int32')"

SOUND = [
    Network(f"late 2 sound {name}", "sound", changes)
    for name, changes in [
        ("mish adamax", {
            "depth": 5, "units": 72, "activation": "mish",
            "optimizer": "keras.optimizers.Adamax(2e-3)", "epochs": 8}),
        ("standard inputs nesterov", {
            "depth": 1, "units": 12, **TANH, "code": STANDARD,
            "optimizer": f"{SGD}(0.03, momentum=0.8, nesterov=True)"}),
        ("softsign adadelta", {
            "depth": 3, "units": 64, "activation": "softsign", "initializer": "glorot_normal",
            "optimizer": "keras.optimizers.Adadelta(1.0)", "epochs": 8}),
        ("poisson", {
            "depth": 2, "units": 48, "task": "regression", "shift": 4.0,
            "head": (1, "softplus"), "loss": "poisson", "optimizer": f"{ADAM}(5e-3)",
            "epochs": 8}),
        ("absolute error", {
            "depth": 4, "units": 24, "activation": "elu", "task": "regression", "loss": "mae",
            "optimizer": f"{RMSPROP}(2e-3)", "epochs": 8}),
        ("five classes", {
            "depth": 3, "units": 28, "activation": "swish", "head": (5, "softmax"), "code": FIVE,
            "optimizer": f"{NADAM}(3e-3)"}),
        ("rate that ends at 0", {
            "depth": 2, "units": 96,
            "optimizer": f"{SGD}(keras.optimizers.schedules.CosineDecay(0.2, 200))"}),
        ("bfloat16", {
            "depth": 3, "units": 48, "policy": "mixed_bfloat16", "optimizer": f"{ADAM}(2e-3)"}),
        ("conv selu dropout", {
            "family": "conv", "depth": 4, "units": 48, "activation": "selu",
            "initializer": "lecun_normal", "dropout": 0.1, "optimizer": f"{NADAM}(2e-3)",
            "epochs": 6}),
        ("conv focal", {
            "family": "conv", "depth": 2, "units": 36, "task": "binary",
            "loss": "binary_focal_crossentropy", "optimizer": f"{ADAM}(5e-3)", "epochs": 8}),
        ("residual swish rmsprop", {
            "family": "residual", "depth": 14, "units": 20, "activation": "swish",
            "normalised": True, "optimizer": f"{RMSPROP}(1e-3)"}),
        ("three gru layers", {
            "family": "rnn", "cell": "GRU", "depth": 3, "units": 20, "optimizer": f"{ADAM}(8e-3)",
            "epochs": 8}),
        ("sum of the first of 4", {
            "family": "rnn", "depth": 1, "units": 28, "task": "first", "steps": 4,
            "optimizer": f"{ADAM}(4e-3)", "epochs": 8}),
        ("transformer regression", {
            "family": "transformer", "depth": 1, "units": 28, "activation": "elu",
            "task": "regression", "optimizer": "keras.optimizers.AdamW(2e-3)", "epochs": 8}),
        ("autoencoder sigmoid huber", {
            "family": "autoencoder", "depth": 1, "units": 48, "task": "rebuild",
            "activation": "sigmoid", "initializer": "glorot_uniform", "loss": "huber",
            "optimizer": f"{ADAM}(1e-2)", "epochs": 8}),
        ("unet gelu clipped", {
            "family": "unet", "units": 20, "task": "denoise", "activation": "gelu",
            "optimizer": f"{SGD}(0.1, momentum=0.9, clipnorm=1.0)"}),
        ("gan elu", {
            "family": "gan", "depth": 2, "units": 40, "task": "points", "activation": "elu",
            "optimizer": f"{ADAM}(2e-3, beta_1=0.5)", "epochs": 20}),
        ("siamese tanh adamax", {
            "family": "siamese", "depth": 2, "units": 56, "task": "pairs", **TANH,
            "optimizer": "keras.optimizers.Adamax(4e-3)", "epochs": 15}),
        ("two outputs normalised", {
            "family": "multi", "depth": 5, "units": 44, "task": "both",
            "activation": "leaky_relu", "normalised": True, "optimizer": f"{ADAM}(2e-3)"}),
        ("transfer regression", {
            "family": "transfer", "depth": 1, "units": 64, "task": "regression",
            "base": "trains", "optimizer": f"{SGD}(0.01, momentum=0.9)", "epochs": 8}),
    ]
]  # fmt: skip

UPDATES = [
    *faulty("rate 0", ("learning rate 0",),
            ("late 2 rate 0 unet", {
                "family": "unet", "units": 12, "task": "rebuild", **TANH,
                "optimizer": f"{NADAM}(0.0)"})),
    *faulty("rate fades", ("learning rate 0", "updates too small", "too slow"),
            ("late 2 rate ends at once siamese", {
                "family": "siamese", "depth": 3, "units": 24, "task": "pairs",
                "optimizer": f"{SGD}(keras.optimizers.schedules.PolynomialDecay(0.01, 8, 0.0))"})),
    *faulty("rate that changes nothing", ("updates too small", "too slow"),
            ("late 2 adagrad 1e-9 residual", {
                "family": "residual", "depth": 7, "units": 28, "normalised": True,
                "optimizer": "keras.optimizers.Adagrad(1e-9)"})),
    # The default rate of Adadelta in Keras.
    *faulty("slow rate", ("too slow", "updates too small"),
            ("late 2 adadelta 1e-3", {
                "depth": 4, "units": 52, **TANH,
                "optimizer": "keras.optimizers.Adadelta(1e-3)"})),
    *faulty("high rate", ("learning rate too high",),
            ("late 2 high rate autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 40, "task": "rebuild", **TANH,
                "optimizer": f"{SGD}(40.0, momentum=0.9)"}),
            ("late 2 high rate residual", {
                "family": "residual", "depth": 8, "units": 24, "task": "regression",
                "optimizer": f"{RMSPROP}(1.0)"})),
    *faulty("clipping", ("clipping",),
            ("late 2 clipped lstm", {
                "family": "rnn", "cell": "LSTM", "depth": 1, "units": 36,
                "optimizer": f"{SGD}(0.3, momentum=0.9, clipnorm=1e-8)"}),
            ("late 2 clipped gan", {
                "family": "gan", "depth": 2, "units": 20, "task": "points",
                "activation": "swish", "optimizer": f"{SGD}(0.05, global_clipnorm=1e-9)"})),
    *faulty("tiny loss", ("loss too small", "updates too small", "too slow"),
            ("late 2 tiny loss transformer", {
                "family": "transformer", "depth": 1, "units": 36, "loss_weight": 1e-9,
                "optimizer": f"{SGD}(0.05, momentum=0.9)"})),
    *faulty("float16", ("float16 underflow", "loss too small"),
            ("late 2 float16 transfer", {
                "family": "transfer", "depth": 3, "units": 24, "policy": "mixed_float16",
                "loss_weight": 1e-7, "optimizer": f"{SGD}(0.2)"})),
    *faulty("late", ("late failure", "learning rate too high"),
            ("late 2 jump two outputs", {
                "family": "multi", "depth": 2, "units": 40, "task": "both", "jump": 2000.0,
                "optimizer": f"{SGD}(0.03)", "epochs": 8})),
    *faulty("weight decay", ("weight decay",),
            ("late 2 decay two outputs", {
                "family": "multi", "depth": 4, "units": 36, "task": "both", "activation": "elu",
                "optimizer": f"{SGD}(0.02, momentum=0.5, weight_decay=8.0)"}),
            ("late 2 penalty siamese", {
                "family": "siamese", "depth": 4, "units": 28, "task": "pairs",
                "activation": "selu", "initializer": "lecun_normal", "penalty": 1.5,
                "optimizer": f"{SGD}(0.1)"})),
]  # fmt: skip

DATA = [
    *faulty("softmax over one unit", ("softmax over one unit",),
            ("late 2 softmax over one transformer", {
                "family": "transformer", "depth": 2, "units": 20, "task": "rare",
                "head": (1, "softmax"), "optimizer": f"{RMSPROP}(1e-3)"})),
    *faulty("categorical loss over one unit", ("too few output units",),
            ("late 2 categorical residual", {
                "family": "residual", "depth": 5, "units": 24, "task": "binary",
                "normalised": True, "loss": "categorical_crossentropy",
                "optimizer": f"{ADAM}(2e-3)"})),
    # All targets are positive: the output could reach them, if it were not 0 for everything.
    *faulty("saturated or dead output", ("no gradient", "dead layer"),
            ("late 2 dead softplus conv", {
                "family": "conv", "depth": 3, "units": 24, "task": "regression", "shift": 6.0,
                "head": (1, "softplus"), "head_bias": -1e3, "optimizer": f"{ADAM}(3e-3)"})),
    *faulty("targets out of reach", ("targets out of reach",),
            ("late 2 out of reach autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 56, "task": "rebuild",
                "activation": "elu", "head": (64, "tanh"), "code": "y = y + np.float32(3.0)",
                "optimizer": f"{ADAM}(2e-3)"})),
    *faulty("logits taken for probabilities", ("logits taken for probabilities",),
            ("late 2 logits gru", {
                "family": "rnn", "cell": "GRU", "depth": 2, "units": 24, "head": (10, None),
                "head_bias": -5.0, "optimizer": f"{ADAM}(2e-3)"})),
    *faulty("shuffled labels", ("nothing to learn",),
            ("late 2 shuffled unet", {
                "family": "unet", "units": 16, "task": "rebuild", "shuffled": 1.0,
                "activation": "gelu", "optimizer": f"{ADAM}(1e-3)"}), curable=False),
    # Its own loss, binary cross-entropy, refuses NaN on PyTorch.
    *faulty("NaN in a batch", ("inputs not finite",),
            ("late 2 NaN siamese", {
                "family": "siamese", "depth": 2, "units": 48, "task": "pairs", **TANH,
                "loss": "mse", "broken_step": 38, "optimizer": f"{NADAM}(1e-3)"})),
    *faulty("large inputs", ("inputs too large",),
            ("late 2 inputs from 1000 to 1001", {
                "depth": 3, "units": 40, "code": "x = x + np.float32(1000.0)",
                "optimizer": f"{SGD}(0.1)"}),
            ("late 2 inputs of 2000 unet", {
                "family": "unet", "units": 16, "task": "denoise", "scale": 2000.0,
                "activation": "leaky_relu", "optimizer": f"{SGD}(0.05)"})),
    *faulty("large targets", ("targets too large",),
            ("late 2 targets of 1e5 transformer", {
                "family": "transformer", "depth": 2, "units": 24, "task": "regression",
                "shift": 1e5, "optimizer": f"{ADAM}(1e-3)"})),
]  # fmt: skip

LAYERS = [
    *faulty("units alike", ("units alike",),
            ("late 2 zeros gan", {
                "family": "gan", "depth": 3, "units": 28, "task": "points", "activation": "tanh",
                "initializer": "zeros", "optimizer": f"{ADAM}(1e-3, beta_1=0.5)"}, "hidden_0")),
    *faulty("overflow", ("overflow in the first step", "exploding"),
            ("late 2 exponential conv", {
                "family": "conv", "depth": 7, "units": 24, "activation": "exponential",
                "initializer": "he_uniform", "optimizer": f"{ADAM}(1e-3)"})),
    *faulty("vanishing", ("vanishing",),
            ("late 2 vanishing hard sigmoid", {
                "depth": 12, "units": 56, "activation": "hard_sigmoid",
                "initializer": "glorot_normal", "optimizer": f"{SGD}(0.05, momentum=0.9)"})),
    *faulty("exploding", ("exploding", "overflow in the first step"),
            ("late 2 exploding unet", {
                "family": "unet", "units": 24, "task": "rebuild", "initializer": 2.0,
                "optimizer": f"{SGD}(0.02)"})),
    *faulty("attention without skips", ("attention collapse", "vanishing"),
            ("late 2 plain transformer", {
                "family": "transformer", "depth": 9, "units": 28, "plain": True,
                "activation": "swish", "optimizer": f"{SGD}(0.02, momentum=0.5)"})),
    # An LSTM needs more than these 200 steps for it, too.
    *faulty("time", ("time",),
            ("late 2 first of 90", {
                "family": "rnn", "depth": 3, "units": 16, "task": "first", "steps": 90,
                "optimizer": f"{RMSPROP}(1e-3)"}), curable=False),
    *faulty("dead layer", ("dead layer",),
            ("late 2 dead first swish conv", {
                "family": "conv", "depth": 4, "units": 28, "activation": "swish",
                "dead_layer": 0, "optimizer": f"{RMSPROP}(1e-3)"}, "hidden_0"),
            ("late 2 dead 3rd of 4 transfer", {
                "family": "transfer", "depth": 4, "units": 40, "dead_layer": 2,
                "optimizer": f"{NADAM}(1e-3)"}, "hidden_2")),
    *faulty("closed gates", ("dead layer", "no gradient"),
            ("late 2 dead gru", {
                "family": "rnn", "cell": "GRU", "depth": 3, "units": 16, "dead_layer": 0,
                "optimizer": f"{ADAM}(4e-3)"}, "hidden_0")),
    *faulty("one bad layer", ("one bad layer",),
            ("late 2 bad 8th of 10 tanh", {
                "depth": 10, "units": 44, **TANH, "bad_layer": (7, 1e-7),
                "optimizer": f"{SGD}(0.02)"}, "hidden_7")),
    *faulty("one layer of zeros", ("units alike", "one bad layer", "dead layer"),
            ("late 2 zeros in the middle", {
                "family": "autoencoder", "depth": 5, "units": 48, "task": "rebuild",
                "bad_layer": (2, 0.0), "optimizer": f"{ADAM}(2e-3)"}, "hidden_2")),
    *faulty("cut off", ("cut off",),
            ("late 2 cut siamese", {
                "family": "siamese", "depth": 6, "units": 40, "task": "pairs",
                "activation": "sigmoid", "cut": 5, "optimizer": f"{SGD}(0.1)"})),
]  # fmt: skip

NETWORKS = [*UPDATES, *DATA, *LAYERS, *SOUND]
