"""The graph of a model as chains: calls in a row with nothing that splits or meets between them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras

from keraskip.graph import nodes


class Step(NamedTuple):
    """A call in a chain.

    Attributes:
        place: its place in the list of calls of the model.
        layer: the layer or operation.
        before: the tensor that it takes.
        behind: the tensor that it makes.
        kernels: the number of layers with a kernel on the longest way through it.
        is_head: whether no layer with a kernel lies between it and an output of the model.
    """

    place: int
    layer: Any
    before: Any
    behind: Any
    kernels: int
    is_head: bool


class Chain(NamedTuple):
    """Calls in a row.

    Attributes:
        steps: the calls.
        is_bypassed: whether another way leads from where the chain starts to where it meets others.
    """

    steps: list[Step]
    is_bypassed: bool

    @property
    def kernels(self) -> int:
        """The number of layers with a kernel."""
        return sum(step.kernels for step in self.steps)


def chains(
    model: keras.Model, kernels: Callable[[Any], int], opened: set[int], heads: set[int]
) -> list[Chain]:
    """The chains of a model's own graph, in order.

    Args:
        model: a model with a graph.
        kernels: the number of layers with a kernel that a layer stands for.
        opened: the ids of nested models that have skips of their own; no chain leads through them.
        heads: see `heads_of`.
    """
    calls = nodes(model)
    users = _users(calls)
    used = Counter(id(tensor) for tensor in model.outputs)
    used.update({key: len(found) for key, found in users.items()})
    rows: list[list[Step]] = []
    row_at: dict[int, list[Step]] = {}
    for index, node in enumerate(calls):
        before = {id(tensor): tensor for tensor in node.input_tensors}
        layer = node.operation
        if node.is_input or {len(before), len(node.outputs)} != {1} or id(layer) in opened:
            continue
        (tensor,), (behind,) = before.values(), node.outputs
        step = Step(index, layer, tensor, behind, kernels(layer), id(node) in heads)
        if used[id(tensor)] > 1 or id(tensor) not in row_at:
            rows.append([])
            row_at[id(tensor)] = rows[-1]
        row_at[id(behind)] = row_at.pop(id(tensor))
        row_at[id(behind)].append(step)
    return [Chain(row, _is_bypassed(row, users)) for row in rows]


def heads_of(model: keras.Model, kernels: Callable[[Any], int]) -> set[int]:
    """The ids of the calls with kernels that no other such call separates from an output."""
    open_tensors, heads = set(map(id, model.outputs)), set()
    for node in reversed(nodes(model)):
        if node.is_input or not open_tensors & set(map(id, node.outputs)):
            continue
        if kernels(node.operation):
            heads.add(id(node))
        else:
            open_tensors.update(map(id, node.input_tensors))
    return heads


def _users(calls: Sequence[Any]) -> dict[int, list]:
    """The calls that take each tensor, by its id."""
    users: dict[int, list] = defaultdict(list)
    for node in calls:
        for key in {id(tensor) for tensor in node.input_tensors}:
            users[key].append(node)
    return users


def _is_bypassed(row: Sequence[Step], users: dict[int, list]) -> bool:
    """Whether the call that takes what a chain makes is reached from its start another way."""
    merges = {id(node) for node in users.get(id(row[-1].behind), [])}
    waiting = [row[0].before]
    passed: set[int] = set()
    while waiting:
        tensor = waiting.pop()
        for node in users.get(id(tensor), []):
            if id(node) in passed or node.outputs[0] is row[0].behind:
                continue
            if id(node) in merges:
                return True
            passed.add(id(node))
            waiting.extend(node.outputs)
    return False
