"""Dropout that leaves a step too little to train on."""

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding

# Half of the hidden units is usual, and more than that is seldom of use (Srivastava et al. 2014).
HIGHEST_RATE = 0.8


def too_much_dropout(evidence: Evidence) -> Finding | None:
    """Layers that set nearly all of their inputs to 0 while training, in a network that fails.

    The rate is the share that is dropped. Older libraries asked for the share that is kept.
    """
    rates = evidence.run.info.get("dropout") or {}
    layers = [name for name, rate in rates.items() if rate > HIGHEST_RATE]
    if not (evidence.fails and layers):
        return None
    name = max(layers, key=lambda layer: rates[layer])
    rate = rates[name]
    return Finding(
        "too much dropout",
        f"{name} drops {rate:.3g} of its inputs in each step, so a step trains on next to nothing, "
        "and its loss is that of the few that are left.",
        f"the share to drop, not the share to keep: `keras.layers.Dropout({1 - rate:.2g})`",
        "Srivastava et al. 2014, section 7.3: between 0.2 and 0.5",
        layers=tuple(layers),
        evidence={"rate": rate},
    )
