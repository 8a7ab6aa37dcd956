"""Names of models and layers that TensorFlow cannot take as name scopes."""

import re
from collections.abc import Iterator

import keras

from keraskip.graph.walk import has_graph

# TensorFlow's rules for the name of an outermost scope, and of one inside.
OUTER, INNER = r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*", r"[A-Za-z0-9_.\\/>-]+"


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

    if tf.config.functions_run_eagerly():
        return
    own_step = type(model).train_step is not keras.Model.train_step
    names = [] if own_step else [("model", model.name, OUTER), *_layers(model)]
    for what, name, rule in names:
        if not re.fullmatch(rule, name):
            near = re.sub(r"[^A-Za-z0-9_.>-]", "_", name).lstrip("_->") or "mine"
            raise ValueError(
                "On TensorFlow the names of a model and its layers must be of letters from A to Z, "
                "digits, _, -, ., > and slashes, and a model's must not begin with _, - or >: give "
                f"the {what} another `name=` where it is made. Received: {what} {name!r} "
                f"(nearest: {near!r})"
            )


def _layers(model: keras.Model) -> Iterator[tuple[str, str, str]]:
    """The layers that the graph calls, and those of models nested in it."""
    if not has_graph(model):
        return
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        yield "layer", layer.name, INNER
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
