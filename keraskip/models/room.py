"""How much `add_skips` could do for a model, found without making a twin."""

import keras

from keraskip.graph import has_graph
from keraskip.models.skip_plan import Plan
from keraskip.models.stretches import HEAD, Wish

# What `add_skips` does without further arguments.
USUAL = Wish(2, "add", None, None, False, lambda name: True)


def room_for_skips(model: keras.Model) -> dict[str, int]:
    """The skips that `add_skips(model)` would add, and around how many layers with kernels.

    Returns:
        `possible`: the number of skips, 0 where `add_skips` refuses; `around`: the layers with
        kernels that they lead around; `hidden`: all that do not make the output.
    """
    if not has_graph(model):
        return {"possible": 0, "around": 0, "hidden": 0}
    found = [
        (stretch.reason, sum(step.kernels for step in stretch.steps))
        for _, stretch in Plan(model, USUAL).rows
    ]
    inside = [kernels for reason, kernels in found if not reason]
    return {
        "possible": len(inside),
        "around": sum(inside),
        "hidden": sum(kernels for reason, kernels in found if reason != HEAD),
    }
