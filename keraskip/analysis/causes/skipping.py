"""The remedy of a signal that depth spoils: `add_skips`, where that is known to cure."""

from keraskip.analysis.causes.level import level, sizes_at_start
from keraskip.analysis.causes.rates import with_sound_rate
from keraskip.analysis.evidence import Evidence

# Of the hidden layers, skips have to lead around this share: a signal falls in the others.
MOST = 0.75
# Kinds of hidden layers that were tried.
TRIED = ("Dense", "Conv1D", "Conv2D", "Conv3D")
# Convolutions of 24 tanh layers whose kernels begin 4 times below the size of He et al. 2015b, -0.6
# as log10, were not cured in 200 steps; the size of Glorot & Bengio 2010 is -0.15.
TOO_SMALL = -0.4
# Activations around 0, whose branches add up as slowly as independent numbers do.
CENTRED = {"linear", "tanh", "softsign", "hard_tanh", "selu"}
# Their branches have a mean, so the sum grows with each: a scalar that starts at 0 prevents it (De
# & Smith 2020).
GROWING = {"relu", "relu6", "leaky_relu", "leakyrelu", "elu", "gelu", "silu", "mish"}
NORMALIZATIONS = ("BatchNormalization", "GroupNormalization", "LayerNormalization")


def with_skips(evidence: Evidence) -> str:
    """What lets a vanishing signal through: skips for this very model, or a change of its layers.

    `tests/benchmarks/cures.py` and `tests/benchmarks/diagnoses.py` show where skips alone cure.
    Behind sigmoids they do not do so reliably: hardly anything of the input is left for the
    identity to carry.
    """
    line = _line(evidence)
    if not line:
        return level(evidence)
    rate = with_sound_rate(evidence)
    return f"`{line}`{rate}; if that does not help, {level(evidence).removesuffix(rate)}"


def against_growth(evidence: Evidence) -> str:
    """What keeps a signal from exploding: skips where normalisation is there, else normalisation.

    Behind batch normalisations a signal grows for want of skips (Yang et al. 2019, section 4).
    """
    return with_skips(evidence) if _is_normalized(evidence) else level(evidence)


def _is_normalized(evidence: Evidence) -> bool:
    return any(kind in NORMALIZATIONS for kind in evidence.run.info.get("kinds") or [])


def _line(evidence: Evidence) -> str:
    """The call of `add_skips` with its arguments; empty where it is not known to cure."""
    info = evidence.run.info
    room = info.get("skips") or {}
    if not room.get("possible") or room["around"] < MOST * room["hidden"]:
        return ""
    kinds, activations = info["kinds"], _hidden_activations(evidence)
    has_convolutions = any(kind.startswith("Conv") for kind in kinds)
    if has_convolutions and sizes_at_start(evidence).mean() < TOO_SMALL:
        return ""
    if not activations <= CENTRED | GROWING or not _is_tried(evidence):
        return ""
    if _is_normalized(evidence) or activations <= CENTRED:
        return "model = keraskip.add_skips(model)"
    # 30 convolutions with ReLU were not cured in 328 steps (`tests/benchmarks/cures.py`).
    return "" if has_convolutions else 'model = keraskip.add_skips(model, scale="learned")'


def _hidden_activations(evidence: Evidence) -> set[str]:
    """The activations of all calls but those that make an output."""
    info = evidence.run.info
    outputs = {output["layer"] for output in info.get("outputs") or []}
    pairs = zip(info["calls"], info["activations"], strict=True)
    return {activation for name, activation in pairs if activation and name not in outputs}


def _is_tried(evidence: Evidence) -> bool:
    """Whether all layers with a kernel are of kinds that were tried.

    A layer in a nested model is called by a longer name than its weights may have.
    """
    weights, info = evidence.run.weights, evidence.run.info
    with_kernel = weights["layer"][weights["shape"].map(len) > 1]
    names = [name.split("/")[-1] for name in info["calls"]]
    kinds = dict(zip(names, info["kinds"], strict=True))
    return all(kinds.get(name.split("/")[-1]) in TRIED for name in with_kernel)
