"""Dropout that leaves a step too little to train on."""

from math import inf, log10

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding

# Half of the hidden units is usual, and more than that is seldom of use (Srivastava et al. 2014).
HIGHEST_RATE = 0.8
USUAL = 0.5
# In orders of magnitude: two layers of 0.9.
MUCH_GROWTH = 0.99


def too_much_dropout(evidence: Evidence) -> Finding | None:
    """Layers that drop nearly all of their inputs, in a network that is *not learning* or *frozen*.

    A rate is above 0.8. The rate is the share that is dropped; older libraries asked for the share
    that is kept. Between 0.2 and 0.5 are usual (Srivastava et al. 2014), and 0.8 is a convention
    above that. A training that ends in NaN or blows up has another fault.
    """
    rates = evidence.run.info.get("dropout") or {}
    layers = [name for name, rate in rates.items() if rate > HIGHEST_RATE]
    if not layers or evidence.learning.state not in ("not learning", "frozen"):
        return None
    name = max(layers, key=lambda layer: rates[layer])
    rate = rates[name]
    kind = (evidence.run.info.get("dropout_kinds") or {}).get(name, "Dropout")
    meant = f"{1 - rate:.2g}" if rate < 1 else f"{USUAL:g}"
    return Finding(
        "too much dropout",
        f"{name} drops {rate:.3g} of its inputs in each step, so next to nothing is left "
        "to train on.",
        f"the rate is the share to drop, not the share to keep: `keras.layers.{kind}({meant})`",
        "Srivastava et al. 2014, section 7.3: between 0.2 and 0.5",
        layers=tuple(layers),
        evidence={"rate": rate},
    )


def makes_signal_grow(evidence: Evidence) -> bool:
    """Whether dropout alone makes the signal in a training step grow by an order of magnitude.

    A layer divides what it keeps by 1 - rate, so the RMS grows by the root of that.
    """
    rates = (evidence.run.info.get("dropout") or {}).values()
    growth = (log10(1 / (1 - rate)) / 2 if rate < 1 else inf for rate in rates)
    return sum(growth) > MUCH_GROWTH
