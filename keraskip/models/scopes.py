"""Names of models and layers that TensorFlow cannot take as name scopes."""

import re
from collections.abc import Iterable, Iterator

import keras

from keraskip.graph.walk import has_graph
from keraskip.models.names import INNER, OUTER, RULE, plain


def check_scopes(model: keras.Model) -> None:
    """Refuses a model whose compiled step TensorFlow would refuse, before Keras traces it.

    Keras opens a scope of the name of each layer that it calls. TensorFlow refuses some names, and
    Keras then keeps the scopes open that it has begun: the next models of the process would be
    called inside of them. Of a model without a graph only the model's own name is known to be used,
    and a training step of your own may not use it.

    Raises:
        ValueError: for such a name.
    """
    if keras.backend.backend() != "tensorflow" or getattr(model, "run_eagerly", False):
        return
    import tensorflow as tf

    own_step = type(model).train_step is not keras.Model.train_step
    if own_step or tf.config.functions_run_eagerly():
        return
    for what, name in refused_names(model, _called(model)):
        near = plain(name).lstrip("_->") or "mine"
        raise ValueError(
            f"On TensorFlow the names of a model and its layers must be {RULE}: give the {what} "
            f"another `name=` where it is made. Received: {what} {name!r} (nearest: {near!r})"
        )


def refused_names(
    model: keras.Model, layers: Iterable[keras.layers.Layer]
) -> Iterator[tuple[str, str]]:
    """Whether it is the model or a layer, and the name, for each name that TensorFlow refuses.

    Args:
        model: the model, whose name is the outermost scope.
        layers: the layers that are called inside of it; inputs are called nowhere.
    """
    if not re.fullmatch(OUTER, model.name):
        yield "model", model.name
    for layer in layers:
        if not isinstance(layer, keras.layers.InputLayer) and not re.fullmatch(INNER, layer.name):
            yield "layer", layer.name


def _called(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers that the graph calls, and those of models nested in it."""
    if not has_graph(model):
        return
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _called(layer)
