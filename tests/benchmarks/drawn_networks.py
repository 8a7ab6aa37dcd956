"""A late part of the battery that nobody chose: families, sizes and optimizers are drawn by lot.

Each fault of the battery goes to four networks, of other families as far as it can, whose depth,
width, activation, optimizer and number of steps come from a generator with a fixed seed. Which
kinds of finding are right goes by the fault, as in the other parts. The seed was fixed when the
rules were finished, before any of the networks had been trained; after a change of the rules that
these networks led to, another seed draws new ones.
"""

import random

from battery_network import ADAM, DEEP, SGD, Network

SEED, TIMES, SOUND = 28, 4, 44
OPTIMIZERS = "keras.optimizers"
# The name of each, with a rate at which small networks learn.
USUAL = {
    "Adam": 3e-3, "Nadam": 2e-3, "RMSprop": 1e-3, "AdamW": 3e-3, "Adamax": 5e-3, "SGD": 0.05
}  # fmt: skip
ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "swish", "tanh")
LABELS, ANY = ("digits", "binary"), ("digits", "binary", "regression")
# Tasks and depths of each family.
FAMILIES = {
    "dense": (ANY, (1, 5)),
    "conv": (ANY, (1, 4)),
    "residual": (ANY, (4, 8)),
    "rnn": (LABELS, (1, 2)),
    "transformer": (LABELS, (1, 3)),
    "autoencoder": (("rebuild",), (3, 5)),
    "unet": (("denoise", "rebuild"), (2, 2)),
    "gan": (("points",), (2, 3)),
    "siamese": (("pairs",), (1, 4)),
    "multi": (("both",), (1, 4)),
    "transfer": (ANY, (1, 3)),
}
# Networks in which a layer can be given by its number.
STACKS = ("dense", "conv", "autoencoder", "siamese", "multi", "transfer")
WITHOUT_GAN = tuple(family for family in FAMILIES if family != "gan")
NUMBERS, TEN, TWO = ("regression",), ("digits",), ("binary",)
TABLES = ("dense", "conv", "residual", "transfer")
SMALL = ("too slow", "updates too small")
LARGE = ("exploding", "overflow in the first step")
HALF = {"policy": "mixed_float16", "loss_weight": 1e-7, "optimizer": f"{ADAM}(1e-3)"}

# Fault: the right kinds, its families, what it changes, and the tasks that can have it.
FAULTS = {
    "rate 0": (("learning rate 0",), FAMILIES, {"rate": 0.0}),
    "rate that changes nothing": (SMALL, FAMILIES, {"rate": 1e-9}),
    "slow rate": (SMALL, WITHOUT_GAN, {"optimizer": f"{ADAM}(2e-6)"}),
    "high rate": (("learning rate too high",), WITHOUT_GAN, {"optimizer": f"{ADAM}(3.0)"}),
    "clipping": (("clipping",), WITHOUT_GAN,
                 {"optimizer": f"{SGD}(0.05, global_clipnorm=1e-7)"}),
    "tiny loss": (("loss too small", *SMALL), WITHOUT_GAN,
                  {"loss_weight": 1e-9, "optimizer": f"{SGD}(0.1)"}),
    "float16": (("float16 underflow", "loss too small"),
                ("dense", "conv", "autoencoder", "siamese", "residual"), HALF),
    "late": (("late failure", "learning rate too high"), WITHOUT_GAN,
             {"jump": 1000.0, "epochs": 8, "optimizer": f"{ADAM}(3e-3)"}),
    "dropout": (("too much dropout",), ("dense", "multi", "siamese"),
                {"depth": 4, "dropout": 0.95}),
    "weight decay": (("weight decay",), WITHOUT_GAN,
                     {"optimizer": f"{SGD}(0.05, weight_decay=5.0)"}),
    "penalty": (("weight decay",), STACKS, {"penalty": 2.0}),
    "softmax over one unit": (("softmax over one unit",), (*TABLES, "rnn", "transformer"),
                              {"head": (1, "softmax")}, TWO),
    "categorical loss over one unit": (("too few output units",), (*TABLES, "rnn", "transformer"),
                                       {"loss": "categorical_crossentropy"}, TWO),
    "dead output": (("no gradient", "dead layer", "targets out of reach"), TABLES,
                    {"head": (1, "relu"), "head_bias": -1e3}, NUMBERS),
    "targets out of reach": (("targets out of reach",), TABLES,
                             {"head": (1, "sigmoid"), "shift": 5.0}, NUMBERS),
    "logits taken for probabilities": (("logits taken for probabilities",),
                                       (*TABLES, "rnn", "transformer"), {"head": (10, None)}, TEN),
    "shuffled labels": (("nothing to learn",), ("rnn", "transformer", "siamese", *TABLES),
                        {"shuffled": 1.0}, (*LABELS, "pairs")),
    "NaN in a batch": (("inputs not finite",), WITHOUT_GAN, {"broken_step": 12}),
    "large inputs": (("inputs too large",), STACKS, {"scale": 255.0, "optimizer": f"{SGD}(0.1)"}),
    "large targets": (("targets too large",), TABLES, {"shift": 1e4}, NUMBERS),
    "units alike": (("units alike",), STACKS, {"initializer": "zeros", "layer": 0}),
    "overflow": (("overflow in the first step", "exploding"), STACKS,
                 {"activation": "exponential", "initializer": "he_uniform", "depth": 8}),
    "vanishing": (("vanishing",), STACKS, {**DEEP, "depth": 16}),
    "exploding": (LARGE, (*STACKS, "residual"), {"initializer": 1.0, "depth": 12}),
    "attention without skips": (("attention collapse", "vanishing"), ("transformer",),
                                {"plain": True, "depth": 7}),
    "time": (("time",), ("rnn",), {"task": "first", "steps": 120}),
    "dead layer": (("dead layer",), STACKS, {"depth": 5, "layer": "dead_layer"}),
    "one bad layer": (("one bad layer",), STACKS,
                      {"depth": 8, "layer": "bad_layer", "optimizer": f"{SGD}(0.03)"}),
    "cut off": (("cut off",), STACKS, {"depth": 5, "activation": "sigmoid", "cut": 4}),
}  # fmt: skip


def drawn_optimizer(draw, family, rate=None):
    # Without a fault, an autoencoder of a few hundred steps learns too little with plain SGD.
    is_slow = family in ("autoencoder", "unet")
    name = draw.choice([each for each in USUAL if not (is_slow and each == "SGD")])
    rate = USUAL[name] * draw.choice((0.5, 1.0, 2.0)) if rate is None else rate
    return f"{OPTIMIZERS}.{name}({rate!r})"


def drawn_base(draw, family, tasks):
    """A sound network of a family; the tasks are those that it may have."""
    depth = draw.randint(*FAMILIES[family][1])
    activation = draw.choice(ACTIVATIONS)
    base = {
        "family": family,
        "task": draw.choice(tasks),
        "depth": depth,
        "units": draw.randrange(24, 64, 4),
        "activation": activation,
        "initializer": "glorot_uniform" if activation == "tanh" else "he_normal",
        "normalised": family == "residual",
        "epochs": 24 if family == "gan" else draw.choice((5, 8)),
    }
    if family == "rnn":
        base["cell"], base["activation"] = draw.choice(("SimpleRNN", "LSTM", "GRU")), "relu"
    return base


def faulty_network(draw, fault, family):
    kinds, _, changes, *tasks = FAULTS[fault]
    tasks = [each for each in FAMILIES[family][0] if not tasks or each in tasks[0]]
    changes = dict(changes)
    optimizer = drawn_optimizer(draw, family, changes.pop("rate", None))
    network = {**drawn_base(draw, family, tasks), "optimizer": optimizer}
    layer = changes.pop("layer", None)
    number = draw.randint(1, changes.get("depth", 2) - 2) if isinstance(layer, str) else 0
    if isinstance(layer, str):
        network[layer] = number if layer == "dead_layer" else (number, 1e-6)
    name = f"drawn {fault} {family} {draw.randrange(1000):03}"
    blamed = None if layer is None else f"hidden_{number}"
    is_curable = fault not in ("shuffled labels", "time")
    return Network(name, fault, {**network, **changes}, kinds, blamed, is_curable)


def drawn():
    """All networks, the same in each call."""
    draw = random.Random(SEED)
    networks = []
    for fault, (_, families, *_) in FAULTS.items():
        families = list(families)
        order = draw.sample(families, len(families)) * TIMES
        networks += [faulty_network(draw, fault, family) for family in order[:TIMES]]
    for number in range(SOUND):
        family = list(FAMILIES)[number % len(FAMILIES)]
        changes = drawn_base(draw, family, FAMILIES[family][0])
        changes["optimizer"] = drawn_optimizer(draw, family)
        networks.append(Network(f"drawn sound {family} {number}", "sound", changes))
    return networks


NETWORKS = drawn()
