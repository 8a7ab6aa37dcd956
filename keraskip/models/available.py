"""The weights that the named networks can be had with."""

from keraskip.models.hub import PINS
from keraskip.models.published import ZOO
from keraskip.models.shipped import cards_of

IMAGENET = "imagenet"


def weights_of(name: str) -> tuple[str, ...]:
    """The names that `build(name, weights=...)` takes; it also takes a file.

    Args:
        name: one of `keraskip.list_models()`.

    Returns:
        The names of the weights; none for a network without any.

    Example:

    >>> weights_of("resnet50")
    ('imagenet',)
    """
    # The networks that copy keras.applications have its weights, others have torchvision's.
    is_keras = ZOO[name].arguments.get("conventions") == "keras"
    imagenet = (IMAGENET,) if is_keras or name.removesuffix("v1.5") in PINS else ()
    return imagenet + tuple(cards_of(name))
