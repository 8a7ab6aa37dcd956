"""Causes that lie in the time steps of recurrent layers."""

import numpy as np

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.profiles import SMALLEST

# Fewer orders than this over all time steps are no reason to fail.
LOST = 4.0
BENGIO = "Bengio et al. 1994; Hochreiter & Schmidhuber 1997"


def vanishing_over_time(evidence: Evidence) -> Finding | None:
    """A gradient that is lost on its way to the first time steps, in a network that fails.

    The gradient of a recurrent layer loses more than 4 orders of magnitude from the time step where
    it is largest to the first one. The probe `time` has it at each time step; a gradient of 0
    counts as 1.4e-45, the smallest number of float32. 4 is a convention: fewer orders were no
    reason to fail on the battery.

    It is said as well where many steps leave it open whether the network learns.
    """
    rows = [row for row in evidence.run.info.get("probes") or [] if row["probe"] == "time"]
    norms = {row["layer"]: np.array(row["value"], float) for row in rows}
    lost = {layer: _orders(values) for layer, values in norms.items()}
    worst = max(lost, key=lambda layer: lost[layer], default="")
    if not (evidence.fails_or_leaves_it_open and worst and lost[worst] > LOST):
        return None
    return Finding(
        "time",
        f"The signal is {evidence.verdict.verdict} over layers; over the time steps of {worst} the "
        f"gradient loses {lost[worst]:.1f} orders of magnitude.",
        _remedy(evidence, [worst], _within_reach(norms[worst])),
        BENGIO,
        layers=(worst,),
        steps=evidence.span,
        evidence={"orders": lost[worst]},
    )


def _orders(norms: np.ndarray) -> float:
    """Orders of magnitude between the largest norm and that at the first time step."""
    known = np.maximum(norms[np.isfinite(norms)], SMALLEST)
    return float(np.log10(known.max()) - np.log10(known[0])) if len(known) else 0.0


def _within_reach(norms: np.ndarray) -> int:
    """The number of last time steps to which the gradient gets without losing too much."""
    known = np.nan_to_num(norms)
    is_reached = known > known.max() / 10**LOST
    return int(len(known) - np.flatnonzero(is_reached)[0])


def time_not_seen(evidence: Evidence) -> Finding | None:
    """Recurrent layers whose time steps nobody looked at, in a network that is *not learning*.

    The run has no probe of them. It is a last resort: every other cause has been asked.
    """
    names = [
        row["layer"] for row in evidence.run.info.get("probes") or [] if row["probe"] == "time"
    ]
    weights = evidence.run.weights
    recurrent = weights["layer"][weights["role"] == "recurrent_kernel"]
    layers = list(dict.fromkeys(map(str, recurrent)))
    if evidence.learning.state != "not learning" or not layers or names:
        return None
    return Finding(
        "time not seen",
        f"Time was not looked at: the signal may vanish over the time steps of {layers[0]}.",
        "look at it with `GradientRecorder(..., probe=(x[:32], y[:32]))`; if it is time, "
        + _remedy(evidence, layers),
        BENGIO,
        layers=tuple(layers),
        evidence={"recurrent_layers": float(len(layers))},
    )


def _remedy(evidence: Evidence, layers: list[str], within_reach: int = 100) -> str:
    weights = evidence.run.weights
    # The weights of a cell have the name of the cell behind that of the layer.
    is_theirs = weights["layer"].str.split("/").str[0].isin({name.split("/")[0] for name in layers})
    here = weights[(weights["role"] == "recurrent_kernel") & is_theirs]
    # A plain recurrent layer has a square kernel; gates make it wider.
    is_plain = any(shape[0] == shape[-1] for shape in here["shape"])
    # Keras names the two layers of a `Bidirectional` so.
    if here["layer"].str.contains("forward_|backward_").any():
        shorter = f"shorter sequences, such as the last steps: `x = x[:, -{within_reach}:]`"
        return f"`keras.layers.LSTM` in place of `SimpleRNN`; or {shorter}" if is_plain else shorter
    gates = "`keras.layers.LSTM` in place of `SimpleRNN`: gates keep the gradient; "
    return (
        f"{gates if is_plain else ''}where one answer is given for the whole sequence, put "
        f"{'it' if is_plain else 'the layer'} into `keras.layers.Bidirectional`, as one of the two "
        "directions ends at the first time step"
    )
