"""Where the weights of a model come from, what images it takes, and the names of its classes.

Kept beside a model, not in it: a builder notes it, and whoever exports the model reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import keras

# The modes of `keras.applications.imagenet_utils.preprocess_input`: mean and divisor of each
# channel, on the scale of 0 to 255, and the order of the channels.
KERAS_MODES = {
    "caffe": ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), "bgr"),
    "tf": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), "rgb"),
    "torch": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb"),
}


@dataclass(frozen=True)
class Origin:
    """Where the weights of a model come from.

    Attributes:
        source: who has published them, in words.
        preprocessing: the arguments of `keraskip.Preprocessing` for its images.
        class_names: the name of each class; None for a model without a classifier.
    """

    source: str
    preprocessing: Mapping[str, Any]
    class_names: tuple[str, ...] | None


_ORIGINS: "WeakKeyDictionary[keras.Model, Origin]" = WeakKeyDictionary()


def note_origin(model: "keras.Model", origin: Origin) -> None:
    """Keeps the origin of the model's weights while the model lives."""
    _ORIGINS[model] = origin


def origin_of(model: Any) -> Origin | None:
    """The origin of the model's weights; None if it is not known, and for other things."""
    import keras

    return _ORIGINS.get(model) if isinstance(model, keras.Model) else None


def hand_on_origin(model: "keras.Model", other: "keras.Model") -> None:
    """Notes the origin of a model for another one that gives the same outputs."""
    if origin := origin_of(model):
        note_origin(other, origin)


def of_mode(mode: str) -> dict[str, Any]:
    """The arguments of `keraskip.Preprocessing` for a mode of `keras.applications`."""
    return dict(zip(("mean", "deviation", "channel_order"), KERAS_MODES[mode], strict=True))


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The names of the 1000 classes of ImageNet.

    `keras.applications.imagenet_utils.decode_predictions` has the same, in this order.
    """
    lines = Path(__file__).with_name("imagenet_classes.txt").read_text("ascii").splitlines()
    return tuple(line.split(" ", 1)[1] for line in lines)
