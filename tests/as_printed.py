"""A remedy applied as it is printed: each piece of code in its words changes a training."""

import re
from dataclasses import replace

# A piece of code in a remedy, and what it changes in a recipe, given what was matched.
PIECES = (
    (r"x = x \+ ", lambda found: {"skips": True}),
    (r"BatchNormalization|LayerNormalization", lambda found: {"normalised": True}),
    (r'activation="(\w+)"', lambda found: {"activation": found[1]}),
    (r'kernel_initializer="(\w+)"', lambda found: {"initializer": found[1], "bad_layer": None}),
    (
        r'bias_initializer="zeros"',
        lambda found: {"bias": 0.0, "dead_layer": None, "head_bias": 0.0},
    ),
    (
        r'keras\.layers\.Dense\((\d+)(?:, "(\w+)")?',
        lambda found: {"head": (int(found[1]), found[2]), "head_bias": 0.0},
    ),
    (r'loss="(\w+)"', lambda found: {"loss": found[1]}),
    (r"loss_weights=None", lambda found: {"loss_weight": 1.0}),
    (r"keras\.layers\.(LSTM|GRU)", lambda found: {"cell": found[1]}),
    (r"regularizers\.L2\(([\d.e-]+)\)", lambda found: {"penalty": float(found[1])}),
)
LINE = r"(?:good|x|y|x, y|optimizer) = (?!x \+|keras\.layers)"


def cured(recipe, finding):
    """The recipe with the remedy of a finding; None if there is nothing to type in.

    Only the code before the first "or" or "if" counts: what comes after is another way.
    """
    said = re.split(r"(?<=`),? (?:or|if) ", finding.remedy)[0]
    code = re.findall(r"`([^`]*)`", said)
    changes = {}
    for piece in code:
        for pattern, change in PIECES:
            found = re.search(pattern, piece)
            changes |= change(found) if found else {}
    lines = [piece for piece in code if re.match(LINE, piece)]
    if lines:
        changes["code"] = "\n".join([recipe.code, *lines])
    if finding.remedy.startswith("keep the rate"):
        changes = {"jump": 1.0}
    return replace(recipe, **changes) if changes else None
