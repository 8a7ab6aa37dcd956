"""What is asked for, the stretches that are found for it, and where the addition goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keraskip.models.chains import Step
from keraskip.models.skip_layers import is_never_negative, is_relu

HEAD = "makes the output"
BYPASSED = "a way leads around it already"
FEW = "too few layers in a row"
SHAPE = "the shape changes"
LEFT_OUT = "left out by `layers`"
NARROW = "the shape changes, or what follows cannot be made wider"
MASK = "a learned scalar would lose the mask"


@dataclass(frozen=True)
class Wish:
    """The arguments of `add_skips`, checked; `project` is None, A or B."""

    every: int
    how: str
    scale: float | str | None
    project: str | None
    preact: bool
    wanted: Callable[[str], Any]


class Stretch(NamedTuple):
    """Layers in a row, with a skip or without one.

    Attributes:
        steps: the calls, from the first to the last layer with a kernel and what belongs to it.
        reason: why there is no skip; empty if there is one.
        start: the tensor where the skip begins.
        end: the tensor that it is added to.
        shapes: of one sample in both.
    """

    steps: Sequence[Step]
    reason: str
    start: Any
    end: Any
    shapes: tuple[tuple, tuple]

    @property
    def last(self) -> Any:
        """The last layer with a kernel."""
        return [step.layer for step in self.steps if step.kernels][-1]


def activate_sums(stretches: Sequence[Stretch], sums: dict[int, bool]) -> list[Stretch]:
    """The stretches, with the addition before a last ReLU that the identity passes unchanged.

    So it is in He et al. 2015 (Fig. 2). The ReLU changes no tensor that has no negative number; one
    behind any other activation, such as tanh, would bend the identity. A projection is no identity.

    Args:
        stretches: in order.
        sums: whether sums so far are never negative, by the id of the tensor; more are added.
    """
    moved = []
    for stretch in stretches:
        last = stretch.steps[-1]
        if not stretch.reason:
            is_identity = stretch.shapes[0] == stretch.shapes[1]
            if is_relu(last.layer) and (not is_identity or is_never_negative(stretch.start, sums)):
                stretch = stretch._replace(end=last.before)
                sums[id(last.behind)] = True
            else:
                sums[id(last.behind)] = is_never_negative(
                    stretch.start, sums
                ) and is_never_negative(last.behind, {})
        moved.append(stretch)
    return moved
