"""The maps with which the stages of a network end, for detection and segmentation."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import keras

from keraskip.graph import Call, trace
from keraskip.models.large_graphs import connect
from keraskip.models.positions import HEAD, Position, positions_of, role


def features(model: keras.Model, stages: Sequence[int] | None = None) -> keras.Model:
    """The model that returns the maps with which stages end, for detection or segmentation.

    A stage ends with its last merge and an activation right after that; without merges, with its
    last layer that does not pad.

    Args:
        model: any functional or built Sequential model.
        stages: numbers as in `anatomy(model).frame`, in the order wanted; by default all above 0.

    Returns:
        A model that shares inputs, layers and weights with `model`, its outputs one per stage.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for a stage that there is not, or that ends inside a nested model.

    Example:

    >>> from keraskip import build_resnet
    >>> [tuple(output.shape) for output in features(build_resnet(20), stages=[2, 3]).outputs]
    [(None, 16, 16, 32), (None, 8, 8, 64)]
    """
    calls = trace(model)
    ends = _ends(calls, positions_of(calls))
    wanted = [stage for stage in ends if stage > 0] if stages is None else list(stages)
    if not wanted or not set(wanted) <= set(ends):
        raise ValueError(
            f"stages must be some of {sorted(ends)}, the stages of model {model.name!r}. "
            f"Received: stages={wanted}"
        )
    for stage in wanted:
        *around, _ = ends[stage].name.split("/")
        if around:
            raise ValueError(
                f"A stage must not end inside a nested model; ask for features of {around[0]!r}. "
                f"Received: stage {stage}, which ends with layer {ends[stage].name!r}"
            )
    outputs = [ends[stage].graph_outputs[0] for stage in wanted]
    return connect(model.input, outputs, f"{model.name}_features")


def _ends(calls: list[Call], positions: list[Position]) -> dict[int, Call]:
    """The call with which each stage ends."""
    members: dict[int, list[Call]] = defaultdict(list)
    for call, position in zip(calls, positions, strict=True):
        members[position.stage].append(call)
    uses = Counter(id(tensor) for call in calls for tensor in call.inputs)
    return {stage: _end(members[stage], uses) for stage in sorted(members) if stage != HEAD.stage}


def _end(members: list[Call], uses: Counter[int]) -> Call:
    merges = [call for call in members if role(call) == "merge"]
    if not merges:
        # Padding at the end is for the strides of the next stage.
        return [call for call in members if role(call) != "pad"][-1]
    (merged,) = merges[-1].outputs
    for call in members:
        only_this = uses[id(merged)] == 1 and any(tensor is merged for tensor in call.inputs)
        if only_this and role(call) == "activation":
            return call
    return merges[-1]
