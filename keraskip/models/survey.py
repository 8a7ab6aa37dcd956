"""Where skips can go: the stretches of a model's layers that keep the shape, and why others cannot.

A stretch begins behind the normalisation and activation of the layer before it. It ends behind the
normalisation and activation of its last layer, so its branch is all that its layers do. In
pre-activation (He et al. 2016, arXiv 1603.05027, Fig. 4e) it begins and ends right behind a layer
with a kernel.

Stretches are counted from the end of a chain. Where a layer changes the shape, the layers that are
left over stand behind it, as in the residual networks of He et al. 2015: a block begins with the
layer that changes the shape.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from keraskip.models.chains import Chain, Step
from keraskip.models.skip_layers import (
    AROUND_KERNELS,
    PADDINGS,
    can_project,
    can_widen,
    same_positions,
)
from keraskip.models.stretches import (
    BYPASSED,
    FEW,
    HEAD,
    LEFT_OUT,
    NARROW,
    SHAPE,
    Stretch,
    Wish,
)


class Survey:
    """Looks for the stretches of one chain.

    Args:
        chain: the chain.
        wish: what is asked for.
        sizes: the shape of each tensor, by its id.
        shared: the ids of layers that are called more than once.
        path: the names of the models around.
    """

    def __init__(
        self, chain: Chain, wish: Wish, sizes: dict[int, tuple], shared: set[int], path: str
    ) -> None:
        self.chain, self.wish, self.sizes = chain, wish, sizes
        self.shared, self.path = shared, path
        self.steps = chain.steps
        self.kernels = [index for index, step in enumerate(self.steps) if step.kernels]

    def stretches(self) -> list[Stretch]:
        """All stretches in order, with a skip or without one."""
        barred = [self._bar(self.steps[index]) for index in self.kernels]
        spans = self._spans(barred, self._is_identity)
        if self.wish.project:
            inside = _numbers(spans)
            closed = [bar or number in inside for number, bar in enumerate(barred)]
            spans += self._spans(closed, self._is_projectable)
        found = [self._stretch(first, last, "") for first, last in spans]
        found += self._gaps(_numbers(spans), barred)
        return sorted(found, key=lambda stretch: stretch.steps[0].place)

    def _bar(self, step: Step) -> str:
        """Why a layer may lie in no stretch."""
        if step.is_head:
            return HEAD
        # Three layers, the bottleneck of He et al. 2015, are one branch for `every=2`, too.
        if self.chain.is_bypassed and self.chain.kernels < 2 * self.wish.every:
            return BYPASSED
        return "" if self.wish.wanted(self.path + step.layer.name) else LEFT_OUT

    def _spans(
        self, barred: Sequence[Any], fits: Callable[[int, int], bool]
    ) -> list[tuple[int, int]]:
        """First and last layer with a kernel of the stretches that fit, from the end of the chain.

        To begin at the end also gives the largest number of them.
        """
        spans, last = [], len(self.kernels) - 1
        while last >= 0:
            first = self._first(last, barred)
            if first is not None and self._is_known(first, last) and fits(first, last):
                spans.append((first, last))
                last = first
            last -= 1
        return spans

    def _first(self, last: int, barred: Sequence[Any]) -> int | None:
        """The layer with which the stretch begins that ends with this one."""
        count = 0
        for first in range(last, -1, -1):
            if barred[first]:
                return None
            count += self.steps[self.kernels[first]].kernels
            if count >= self.wish.every:
                return first
        return None

    def _is_known(self, first: int, last: int) -> bool:
        """Whether the skip is of numbers, and of a known size."""
        start, end = self._shapes(first, last)
        is_float = keras.backend.is_float_dtype(self._start(first).dtype)
        is_sized = bool(start and end) and None not in (*start, *end)
        return is_float and is_sized

    def _is_identity(self, first: int, last: int) -> bool:
        start, end = self._shapes(first, last)
        layer = self.steps[self.kernels[last]].layer
        if self.wish.how == "add":
            return start == end
        following = self.kernels[last + 1 : last + 2]
        behind = self.steps[self._place_behind(last) : following[0] + 1] if following else []
        return same_positions(start, end, layer) and can_widen(
            [step.layer for step in behind], layer, self.shared
        )

    def _is_projectable(self, first: int, last: int) -> bool:
        layer = self.steps[self.kernels[last]].layer
        return can_project(*self._shapes(first, last), layer, self.wish.project)

    def _shapes(self, first: int, last: int) -> tuple[tuple, tuple]:
        start, end = self._start(first), self._end(last)
        return self.sizes.get(id(start), ()), self.sizes.get(id(end), ())

    def _start(self, first: int, activated: bool = False) -> Any:
        """The tensor before a stretch that begins with this layer with a kernel.

        Args:
            first: the number of the layer.
            activated: whether the tensor is one that was normalised and activated.
        """
        place = self._walked_back(self.kernels[first], PADDINGS)
        if self.wish.preact and not activated:
            further = self._walked_back(place, (*PADDINGS, *AROUND_KERNELS))
            # He 2016, appendix: the first block starts behind the activation of the stem.
            if not (first == 1 and further == self.kernels[0] + 1):
                place = further
        return self.steps[place].before

    def _walked_back(self, place: int, kinds: tuple) -> int:
        while place and isinstance(self.steps[place - 1].layer, kinds):
            place -= 1
        return place

    def _place_behind(self, last: int) -> int:
        """The place behind a layer with a kernel, and behind what belongs to it."""
        place = self.kernels[last] + 1
        while (
            not self.wish.preact
            and place < len(self.steps)
            and isinstance(self.steps[place].layer, AROUND_KERNELS)
        ):
            place += 1
        return place

    def _end(self, last: int) -> Any:
        return self.steps[self._place_behind(last) - 1].behind

    def _stretch(self, first: int, last: int, reason: str) -> Stretch:
        steps = self.steps[self.kernels[first] : self._place_behind(last)]
        start, end = self._shapes(first, last)
        # He 2016, section 3.4: a projection takes the activated input.
        projected = self.wish.project == "B" and start != end
        return Stretch(steps, reason, self._start(first, projected), self._end(last), (start, end))

    def _gaps(self, inside: set[int], barred: Sequence[str]) -> Iterator[Stretch]:
        """The stretches without a skip: layers in a row for which one reason holds."""
        first = 0
        for number in range(len(self.kernels)):
            following = number + 1
            is_last = following == len(self.kernels) or following in inside
            if number in inside:
                first = following
            elif is_last or barred[following] != barred[first]:
                yield self._stretch(first, number, barred[first] or self._why(first, number))
                first = following

    def _why(self, first: int, last: int) -> str:
        count = sum(self.steps[self.kernels[each]].kernels for each in range(first, last + 1))
        if count < self.wish.every:
            return FEW
        return SHAPE if self.wish.how == "add" else NARROW


def _numbers(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}
