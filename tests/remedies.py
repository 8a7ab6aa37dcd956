"""A recipe with the remedy of a finding applied, as it is printed.

The text of the remedy alone says what changes: the first way that it names, in the layer that it
names, or in all hidden layers.
"""

import re
from dataclasses import replace


def cured(recipe, finding):
    """The recipe with the remedy applied; None if it tells nothing that can be typed in."""
    text = _first_way(finding.remedy)
    changes, lines = {}, []
    for part in [*re.findall(r"`([^`]*)`", text), text]:
        for pattern, change in WAYS:
            found = re.match(pattern, part)
            if found:
                for name, value in change(recipe, found, text).items():
                    if name == "code":
                        lines.append(value)
                    changes.setdefault(name, value)
                break
    if lines:
        changes["code"] = "\n".join([recipe.code, *lines])
    return replace(recipe, **changes) if changes else None


def _first_way(text):
    """The remedy without what is to be tried if it does not help."""
    text = re.split(r"; if that does not help|; if not,", text)[0]
    return re.split(r",? or (?=`keras\.layers\.BatchNormalization)", text)[0]


def _code(recipe, found, text):
    """A line to run; a schedule of the rate goes where the rate is to be kept."""
    return {"code": found[0], **({"jump": 1.0} if text.startswith("keep the rate") else {})}


def _head(recipe, found, text):
    return {"head": (int(found[1]), found[2]), "head_bias": 0.0}


def _initializer(recipe, found, text):
    """The one for the activation in use, where the remedy names one for each."""
    if "output layer" in text:
        return {"head_initializer": found[1]}
    number = _named(text)
    if number is not None:
        is_bad = bool(recipe.bad_layer) and recipe.bad_layer[0] == number
        return {"bad_layer": None if is_bad else recipe.bad_layer}
    kind = "tanh" if recipe.family == "rnn" else recipe.activation
    is_relu = "relu" in kind or 'activation="relu"' in text
    fitting = "he_normal" if is_relu and "he_normal" in text else found[1]
    if not is_relu and "glorot_uniform" in text:
        fitting = "glorot_uniform"
    return {"initializer": fitting, "bad_layer": None}


def _normalised(recipe, found, text):
    """Normalisation with the momentum that is printed, and what is around it."""
    momentum = re.search(r"momentum=([\d.]+)", found[0])
    changes = {"normalised": True} | ({"momentum": float(momentum[1])} if momentum else {})
    return {**changes, **({"skips": True} if found[0].startswith("x = x +") else {})}


def _bias(recipe, found, text):
    number = _named(text)
    if number is not None:
        return {"dead_layer": None if recipe.dead_layer == number else recipe.dead_layer}
    return {"bias": 0.0, "dead_layer": None}


def _activation(recipe, found, text):
    """Of the hidden layers. Of one layer it is changed with its initialisation, if at all."""
    return {} if _named(text) is not None and "leaky" not in found[1] else {"activation": found[1]}


def _named(text):
    """The number of the hidden layer that a remedy names, or None."""
    found = re.search(r"hidden_(\d+)", text)
    return int(found[1]) if found else None


# What a part of a remedy looks like, and what it changes; the first one that fits is applied.
WAYS = [
    (r"x = (?:x \+ )?keras\.layers\.\w+Normalization\([^()]*\)", _normalised),
    (r"loss_weights=None", lambda *_: {"loss_weight": 1.0}),
    (r"x = x \+ block", lambda recipe, found, text: {"skips": True}),
    (r"x = x \+ attention", lambda recipe, found, text: {"plain": False}),
    (r"model = keraskip\..*", lambda recipe, found, text: {"model_code": found[0]}),
    (r"(?:optimizer|good|x|y) = .*", _code),
    (r'keras\.layers\.(?:Dense|Conv2D)\((\d+)(?:, 1)?(?:, (?:activation=)?"(\w+)")?\)', _head),
    (r'loss="(\w+)"', lambda recipe, found, text: {"loss": found[1]}),
    (r'kernel_initializer="(\w+)"', _initializer),
    (r'bias_initializer="zeros"', _bias),
    (r'activation="(\w+)"', _activation),
    (
        r"kernel_regularizer=keras\.regularizers\.L2\(([\d.e-]+)\)",
        lambda recipe, found, text: {"penalty": float(found[1])},
    ),
    (r"keras\.layers\.BatchNormalization\([^()]*\)", _normalised),
    (
        r"keras\.layers\.\w*Dropout\w*\(([\d.]+)\)",
        lambda recipe, found, text: {"dropout": float(found[1])},
    ),
    # All recurrent networks of the battery give one answer for the whole sequence.
    (r"keras\.layers\.Bidirectional", lambda *_: {"both_ways": True}),
    (r"keras\.layers\.(LSTM|GRU)", lambda recipe, found, text: {"cell": found[1]}),
    (
        r'keras\.config\.set_dtype_policy\("(\w+)"\)',
        lambda recipe, found, text: {"policy": found[1]},
    ),
    (r"take out what cuts", lambda recipe, found, text: {"cut": None}),
    (
        r".*a learning rate of ([\d.e-]+\d)",
        lambda recipe, found, text: {"code": f"optimizer.learning_rate = {found[1]}"},
    ),
]
