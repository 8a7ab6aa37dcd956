"""The weights that the named networks can be had with, and their classes."""

from keraskip.models.published import ZOO

IMAGENET = "imagenet"


def weights_of(name: str) -> tuple[str, ...]:
    """What `build(name, weights=...)` takes beside a file.

    Args:
        name: one of `keraskip.list_models()`.

    Returns:
        The names of the weights; none for a network without any.

    Example:

    >>> weights_of("resnet50")
    ('imagenet',)
    """
    # The networks that copy keras.applications have its weights.
    return (IMAGENET,) if ZOO[name].arguments.get("conventions") == "keras" else ()


def class_names_of(weights: str | None) -> list[str] | None:
    """The names of the classes of these weights, None if they are not known.

    Keras downloads the names for ImageNet once.
    """
    if weights != IMAGENET:
        return None
    import keras
    import numpy as np

    sure = keras.applications.imagenet_utils.decode_predictions(np.eye(1000), top=1)
    return [name for ((_, name, _),) in sure]
