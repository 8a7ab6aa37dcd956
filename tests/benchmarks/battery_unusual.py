"""The first late quarter of the battery: networks written after the first rules were finished.

None of the tables that the rules were made with was at hand. Each fault meets a family, a depth, a
width, an optimizer or an activation that one would not try first. Rules were mended by its misses
since, so it counts with the rest; `late_networks.py` took its place.
"""

from battery_network import ADAM, SGD, Network, faulty

RMSPROP = "keras.optimizers.RMSprop"
WARM_UP = (
    "optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay("
    "1e-6, 240, warmup_target=3e-3, warmup_steps=80))"
)
FADING = f"{SGD}(keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 0.5))"

SOUND = [
    Network(f"late sound {name}", "sound", changes)
    for name, changes in [
        ("tanh rmsprop", {
            "depth": 7, "units": 48, "activation": "tanh", "initializer": "glorot_uniform",
            "optimizer": f"{RMSPROP}(5e-4)"}),
        ("selu dropout adamax", {
            "depth": 4, "units": 56, "activation": "selu", "initializer": "lecun_normal",
            "dropout": 0.15, "optimizer": "keras.optimizers.Adamax(3e-3)"}),
        ("26 layers with skips", {
            "depth": 26, "units": 24, "activation": "gelu", "initializer": "glorot_uniform",
            "skips": True, "normalised": True, "optimizer": "keras.optimizers.AdamW(1e-3)"}),
        ("inputs of 255 normalised", {
            "depth": 3, "scale": 255.0, "normalised": True, "optimizer": f"{SGD}(0.05)"}),
        ("a fifth of the labels wrong", {
            "units": 40, "activation": "elu", "shuffled": 0.2,
            "optimizer": "keras.optimizers.Nadam(2e-3)"}),
        ("one of ten", {
            "units": 20, "task": "rare", "activation": "swish", "optimizer": f"{ADAM}(4e-3)",
            "epochs": 8}),
        ("hinge", {
            "depth": 3, "units": 40, "task": "binary", "head": (1, "tanh"), "loss": "hinge",
            "optimizer": f"{ADAM}(3e-3)", "epochs": 8}),
        ("half precision", {
            "depth": 4, "units": 64, "policy": "mixed_float16",
            "optimizer": f"{SGD}(0.05, momentum=0.9)"}),
        ("small rate", {
            "depth": 1, "units": 160, "activation": "tanh", "initializer": "glorot_uniform",
            "optimizer": f"{SGD}(0.006)", "epochs": 15}),
        ("huber lion", {
            "depth": 2, "task": "regression", "loss": "huber",
            "optimizer": "keras.optimizers.Lion(1e-3)", "epochs": 8}),
        ("conv leaky", {
            "family": "conv", "depth": 5, "units": 40, "activation": "leaky_relu",
            "optimizer": f"{ADAM}(3e-3)", "epochs": 8}),
        ("residual nesterov", {
            "family": "residual", "depth": 9, "units": 24, "normalised": True,
            "optimizer": f"{SGD}(0.05, momentum=0.9, nesterov=True)"}),
        ("lstm rows", {
            "family": "rnn", "cell": "LSTM", "depth": 2, "units": 24,
            "optimizer": f"{ADAM}(6e-3)", "epochs": 8}),
        ("transformer warm-up", {
            "family": "transformer", "depth": 3, "units": 24, "activation": "gelu",
            "code": WARM_UP, "epochs": 8}),
        ("autoencoder elu", {
            "family": "autoencoder", "depth": 5, "units": 80, "task": "rebuild",
            "activation": "elu", "optimizer": f"{ADAM}(3e-3)", "epochs": 8}),
        ("unet swish", {
            "family": "unet", "units": 16, "task": "denoise", "activation": "swish",
            "optimizer": f"{ADAM}(4e-3)", "epochs": 6}),
        ("gan tanh", {
            "family": "gan", "depth": 3, "units": 24, "task": "points", "activation": "tanh",
            "initializer": "glorot_uniform", "optimizer": f"{ADAM}(1e-3, beta_1=0.5)",
            "epochs": 20}),
        ("siamese rmsprop", {
            "family": "siamese", "depth": 3, "units": 40, "task": "pairs", "activation": "elu",
            "optimizer": f"{RMSPROP}(1e-3)", "epochs": 12}),
        ("two outputs selu", {
            "family": "multi", "depth": 3, "units": 40, "task": "both", "activation": "selu",
            "initializer": "lecun_normal", "optimizer": f"{SGD}(0.02, momentum=0.9)"}),
        ("transfer that trains", {
            "family": "transfer", "depth": 3, "units": 20, "base": "trains",
            "optimizer": f"{ADAM}(1e-3)"}),
    ]
]  # fmt: skip

UPDATES = [
    *faulty("rate 0", ("learning rate 0",),
            ("late rate 0 transformer", {
                "family": "transformer", "units": 20, "optimizer": f"{RMSPROP}(0.0)"})),
    *faulty("rate fades", ("learning rate 0", "updates too small", "too slow"),
            ("late fading rate conv", {"family": "conv", "depth": 3, "optimizer": FADING})),
    *faulty("clipping", ("clipping",),
            ("late clipvalue autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 48, "task": "rebuild",
                "activation": "elu", "optimizer": f"{SGD}(0.5, clipvalue=1e-8)"})),
    *faulty("tiny loss", ("loss too small",),
            ("late tiny loss two outputs", {
                "family": "multi", "depth": 4, "task": "both", "loss_weight": 1e-9,
                "optimizer": f"{SGD}(0.05, momentum=0.9)"})),
    *faulty("half precision", ("float16 underflow", "loss too small"),
            ("late half precision two outputs", {
                "family": "multi", "depth": 3, "units": 48, "task": "both", "loss_weight": 1e-6,
                "policy": "mixed_float16", "optimizer": f"{SGD}(0.1)"})),
    *faulty("tiny updates", ("updates too small",),
            ("late tiny updates gru", {
                "family": "rnn", "cell": "GRU", "units": 20, "optimizer": f"{ADAM}(1e-9)"})),
    *faulty("too slow", ("too slow", "updates too small"),
            ("late slow residual", {
                "family": "residual", "depth": 6, "activation": "tanh",
                "initializer": "glorot_uniform", "optimizer": f"{SGD}(3e-6, momentum=0.9)"})),
    *faulty("rate too high", ("learning rate too high",),
            ("late high rate transformer", {
                "family": "transformer", "depth": 2, "units": 24,
                "optimizer": f"{ADAM}(5.0)"})),
    *faulty("late failure", ("late failure", "learning rate too high"),
            ("late jump residual", {
                "family": "residual", "depth": 5, "units": 24,
                "optimizer": f"{SGD}(0.02, momentum=0.9)", "jump": 3000.0, "epochs": 8})),
    *faulty("decay", ("weight decay",),
            ("late decay leaky", {
                "depth": 5, "units": 48, "activation": "leaky_relu",
                "optimizer": f"{SGD}(0.05, weight_decay=3.0)"}),
            ("late penalty unet", {
                "family": "unet", "units": 16, "task": "denoise", "activation": "elu",
                "penalty": 2.0, "optimizer": f"{SGD}(0.1)"})),
]  # fmt: skip

DATA = [
    *faulty("logits", ("logits taken for probabilities",),
            ("late logits transfer", {
                "family": "transfer", "task": "binary", "head": (1, None), "head_bias": -4.0,
                "optimizer": f"{ADAM}(1e-3)"})),
    *faulty("softmax over one", ("softmax over one unit",),
            ("late softmax over one conv", {
                "family": "conv", "depth": 4, "task": "rare", "head": (1, "softmax"),
                "optimizer": f"{ADAM}(2e-3)"})),
    *faulty("out of reach", ("targets out of reach",),
            ("late out of reach gru", {
                "family": "rnn", "cell": "GRU", "depth": 1, "units": 20, "task": "first",
                "steps": 8, "shift": -8.0, "head": (1, "relu"), "optimizer": f"{ADAM}(3e-3)"})),
    *faulty("NaN", ("inputs not finite",),
            ("late NaN gan", {
                "family": "gan", "depth": 3, "units": 24, "task": "points", "broken_step": 27,
                "optimizer": f"{ADAM}(1e-3, beta_1=0.5)"})),
    *faulty("large inputs", ("inputs too large",),
            ("late inputs of 3000 transfer", {
                "family": "transfer", "depth": 3, "scale": 3000.0, "optimizer": f"{SGD}(0.05)"}),
            ("late inputs of -400 regression", {
                "depth": 6, "units": 24, "activation": "elu", "task": "regression",
                "scale": -400.0, "optimizer": f"{SGD}(0.01)"})),
    *faulty("large targets", ("targets too large",),
            ("late targets of 30000 autoencoder", {
                "family": "autoencoder", "depth": 3, "units": 40, "task": "rebuild",
                "code": "y = y * np.float32(3e4)",
                "optimizer": f"{SGD}(0.05, momentum=0.9)"})),
    *faulty("shuffled", ("nothing to learn",),
            ("late shuffled transfer", {
                "family": "transfer", "units": 16, "shuffled": 1.0, "activation": "tanh",
                "optimizer": f"{RMSPROP}(5e-4)"}), curable=False),
]  # fmt: skip

LAYERS = [
    *faulty("alike", ("units alike",),
            ("late zeros tanh", {
                "depth": 9, "units": 20, "activation": "tanh", "initializer": "zeros",
                "optimizer": f"{ADAM}(2e-3)"}, "hidden_0")),
    *faulty("one layer of zeros", ("units alike", "one bad layer", "dead layer"),
            ("late layer of zeros conv", {
                "family": "conv", "depth": 6, "bad_layer": (3, 0.0),
                "optimizer": f"{ADAM}(2e-3)"}, "hidden_3")),
    *faulty("dead", ("dead layer",),
            ("late dead 11th of 13", {
                "depth": 13, "units": 28, "dead_layer": 10, "optimizer": f"{ADAM}(1e-3)"},
             "hidden_10"),
            ("late dead siamese", {
                "family": "siamese", "depth": 3, "task": "pairs", "dead_layer": 2,
                "optimizer": f"{RMSPROP}(1e-3)"}, "hidden_2"),
            ("late dead gan", {
                "family": "gan", "depth": 4, "units": 24, "task": "points", "dead_layer": 2,
                "optimizer": f"{ADAM}(1e-3, beta_1=0.5)", "epochs": 20}, "hidden_2")),
    *faulty("closed gates", ("dead layer", "no gradient"),
            ("late dead lstm", {
                "family": "rnn", "cell": "LSTM", "depth": 2, "units": 20, "dead_layer": 1,
                "optimizer": f"{ADAM}(5e-3)"}, "hidden_1")),
    *faulty("one bad layer", ("one bad layer",),
            ("late bad 10th of 15", {
                "depth": 15, "units": 36, "bad_layer": (9, 1e-7), "optimizer": f"{SGD}(0.01)"},
             "hidden_9")),
    *faulty("exploding", ("exploding", "overflow in the first step"),
            ("late exploding leaky", {
                "depth": 18, "units": 24, "activation": "leaky_relu", "initializer": 1.5,
                "optimizer": f"{SGD}(0.01)"})),
    *faulty("vanishing", ("vanishing",),
            ("late vanishing sigmoid conv", {
                "family": "conv", "depth": 10, "units": 24, "activation": "sigmoid",
                "initializer": "glorot_uniform", "optimizer": f"{SGD}(0.05, momentum=0.9)"}),
            ("late vanishing 30 small", {
                "depth": 30, "units": 16, "activation": "tanh", "initializer": 0.08,
                "optimizer": f"{SGD}(0.1)"})),
    *faulty("attention without skips", ("attention collapse", "vanishing"),
            ("late plain transformer", {
                "family": "transformer", "depth": 6, "units": 16, "plain": True,
                "activation": "gelu", "optimizer": f"{SGD}(0.05)"})),
    # An LSTM needs more than these 200 steps for it, too.
    *faulty("time", ("time",),
            ("late first of 60", {
                "family": "rnn", "depth": 1, "units": 20, "task": "first", "steps": 60,
                "optimizer": f"{ADAM}(1e-3)"}), curable=False),
]  # fmt: skip

UNUSUAL = [*UPDATES, *DATA, *LAYERS, *SOUND]
