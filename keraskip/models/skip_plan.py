"""Where skips go in a whole model: the stretches of its graph and of the models nested in it."""

from collections import Counter
from typing import Any

import keras

from keraskip.graph import depths, has_graph, nodes, sizes, trace
from keraskip.models.chains import chains, heads_of
from keraskip.models.stretches import Stretch, Wish, activate_sums
from keraskip.models.survey import Survey


class Plan:
    """The stretches of a model and of those nested in it.

    Attributes:
        rows: the stretches in order, each with the names of the models around.
    """

    def __init__(self, model: keras.Model, wish: Wish) -> None:
        self._wish, self._sizes = wish, sizes(model)
        calls = trace(model)
        times = Counter(id(call.layer) for call in calls)
        self._shared = {key for key, count in times.items() if count > 1}
        self._kernels = {id(call.layer): depths([call]).calls[0] for call in calls}
        self._opened: dict[int, bool] = {}
        self._sums: dict[int, bool] = {}
        self.rows = self._level(model, "", last=True)

    def _level(self, model: Any, path: str, last: bool) -> list[tuple[str, Stretch]]:
        """The stretches of one model; `last` says whether the whole ends with its outputs."""
        calls, heads = nodes(model), set[int]()
        if last:
            heads = heads_of(model, self._count)
        rows: list[tuple[int, list[tuple[str, Stretch]]]] = []
        for index, node in enumerate(calls):
            nested = node.operation
            if has_graph(nested) and id(nested) not in self._opened:
                inside = self._level(nested, f"{path}{nested.name}/", id(node) in heads)
                self._opened[id(nested)] = any(not stretch.reason for _, stretch in inside)
                rows += [(index, inside)] if self._opened[id(nested)] else []
        opened = {key for key, is_open in self._opened.items() if is_open}
        for chain in chains(model, self._count, opened, heads):
            survey = Survey(chain, self._wish, self._sizes, self._shared, path)
            found = survey.stretches()
            if self._wish.how == "add" and not self._wish.preact:
                found = activate_sums(found, self._sums)
            rows += [(stretch.steps[0].place, [(path, stretch)]) for stretch in found]
        return [row for _, some in sorted(rows, key=lambda pair: pair[0]) for row in some]

    def _count(self, layer: Any) -> int:
        """The number of layers with a kernel on the longest way through a layer."""
        if id(layer) not in self._kernels:
            inside = depths(trace(layer)).calls if has_graph(layer) else []
            self._kernels[id(layer)] = max(inside, default=0)
        return self._kernels[id(layer)]
