"""The facts of a training that a diagnosis needs, as JSON values for `run.json`."""

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import keras
import numpy as np

from keraskip.callbacks.hook.batch_watch import symbolic_outputs
from keraskip.graph import has_graph, trace
from keraskip.models.room import room_for_skips
from keraskip.runs import check_facts

# The unit axis of a kernel of more weights than this is not looked at.
LARGE = 2**22
# `GaussianDropout` multiplies by noise, and drops nothing. The spatial kinds are made of the last.
DROPOUT = (
    keras.layers.AlphaDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.Dropout,
)


def known_facts(model: keras.Model) -> dict[str, Any]:
    """`training_facts`, or nothing of a model that cannot be asked, so that it still trains."""
    with suppress(Exception):
        facts = training_facts(model)
        check_facts(facts)  # a class of one's own may hold anything
        return facts
    return {}


def training_facts(model: keras.Model) -> dict[str, Any]:
    """How a model that has its weights is trained, and what a diagnosis asks of it.

    Returns:
        `training`: loss, `from_logits`, optimizer with its settings, dtype policy and metrics;
        `outputs`: layer, number of units and activation of each, and `classes` of a classifier;
        `untrained`: layers with weights that do not train, and why; `alike`: layers whose units all
        start out the same; `recurrent`: layers that go over time steps; `dropout`: the rates of the
        layers that drop out units, and `dropout_kinds`, their classes in Keras; `calls`: names
        of layers in the order of their calls, beside them `kinds`, their classes, and
        `activations`; `skips`: what `add_skips` could do.
    """
    calls = trace(model) if has_graph(model) else []
    outputs = _outputs(model, calls)
    loss = getattr(model, "loss", None)
    return {
        "training": {
            "loss": _named(loss),
            "from_logits": getattr(loss, "_fn_kwargs", {}).get("from_logits"),
            "optimizer": optimizer_facts(getattr(model, "optimizer", None)),
            "loss_weights": _weights_of_losses(model),
            "penalised": any(v.regularizer is not None for v in model.trainable_variables),
            "dtype_policy": _dtype_policy(model),
            "metrics": [metric.name for metric in model.metrics],
        },
        "outputs": outputs,
        **_classes(model, outputs),
        "untrained": _untrained(model),
        "alike": _alike(model),
        "recurrent": [
            layer.name for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)
        ],
        **_dropout(model),
        "calls": [call.name for call in calls],
        "kinds": [type(call.layer).__name__ for call in calls],
        "activations": [_activation(call.layer) for call in calls],
        "skips": _room(model),
    }


def _dropout(model: keras.Model) -> dict[str, dict[str, Any]]:
    """Rates and classes by name; of layers of one name in nested models, the highest rate."""
    rates: dict[str, float] = {}
    kinds: dict[str, str] = {}
    for layer in model._flatten_layers():
        kind = next((each.__name__ for each in DROPOUT if isinstance(layer, each)), None)
        # A layer that was built by hand may have no rate.
        rate = float(layer.rate or 0) if kind else 0.0
        if kind and rate >= rates.get(layer.name, 0.0):
            rates[layer.name], kinds[layer.name] = rate, kind
    return {"dropout": rates, "dropout_kinds": kinds}


def _room(model: keras.Model) -> Any:
    """What `add_skips` could do; None where that cannot be told, and the other facts can."""
    with suppress(Exception):
        return room_for_skips(model)
    return None


def _named(loss: Any) -> Any:
    """The names of losses, in the structure that `compile` was given."""
    if isinstance(loss, dict):
        return {str(key): _named(value) for key, value in loss.items()}
    if isinstance(loss, list | tuple):
        return [_named(value) for value in loss]
    if loss is None or isinstance(loss, str):
        return loss
    return getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)


def _weights_of_losses(model: keras.Model) -> Any:
    """The factors of several losses, as `compile` was given them; None for none."""
    given = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    return keras.tree.map_structure(lambda each: each and float(each), given)


def _dtype_policy(model: keras.Model) -> str:
    """The policy of most layers with weights: that of the model may be another."""
    names = [
        layer.dtype_policy.name for layer in model._flatten_layers() if layer._trainable_variables
    ]
    return max(dict.fromkeys(names), key=names.count, default=model.dtype_policy.name)


def optimizer_facts(optimizer: keras.optimizers.Optimizer | None) -> dict[str, Any] | None:
    """The optimizer's class and its settings; a schedule of the rate by its class."""
    if optimizer is None:
        return None
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    facts = _class_of(optimizer)
    with suppress(NotImplementedError):
        for name, value in optimizer.get_config().items():
            if name == "name":
                continue
            if isinstance(value, dict):
                facts[name] = value.get("class_name")
            elif value is None or isinstance(value, bool | int | float | str):
                facts[name] = value
    return {name: _finite(value) for name, value in facts.items()}


def _class_of(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    """Its class, or the one of Keras that its class extends; whether Keras has neither."""
    for each in type(optimizer).__mro__:
        if each is keras.optimizers.Optimizer:
            break
        if getattr(keras.optimizers, each.__name__, None) is each:
            return {"class": each.__name__}
    return {"class": type(optimizer).__name__, "own": True}


def _finite(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def _outputs(model: keras.Model, calls: list) -> list[dict[str, Any]]:
    """Layer, units and activation of each output of a graph."""
    makers = {id(tensor): call for call in calls for tensor in call.graph_outputs}
    facts = []
    for output in symbolic_outputs(model):
        call = makers.get(id(output))
        name, activation = (call.name, _activation(call.layer)) if call else (None, None)
        facts.append({"layer": name, "units": output.shape[-1], "activation": activation})
    return facts


def _classes(model: keras.Model, outputs: list[dict[str, Any]]) -> dict[str, int]:
    """How many classes the one output of a classifier tells apart."""
    is_one = len(outputs) == 1 and len(symbolic_outputs(model)[0].shape) == 2
    if is_one and outputs[0]["activation"] == "softmax" and outputs[0]["units"] > 1:
        return {"classes": outputs[0]["units"]}
    return {}


def _activation(operation: Any) -> str | None:
    """The name of a layer's activation; of an activation layer or function, its own."""
    activation = getattr(operation, "activation", None)
    if activation is None and isinstance(operation, keras.layers.TimeDistributed):
        return _activation(operation.layer)
    if activation is None:
        name = type(operation).__name__.lower()
        return name if hasattr(keras.activations, name) else None
    return getattr(activation, "__name__", type(activation).__name__.lower())


def _untrained(model: keras.Model) -> list[dict[str, Any]]:
    """Layers with weights that were meant to train and do not."""
    rows = []
    for layer in model._flatten_layers():
        own = [variable for variable in layer._trainable_variables if not variable.trainable]
        if own:
            rows.append({"layer": layer.name, "weights": len(own), "reason": "frozen"})
    return rows


def _alike(model: keras.Model) -> list[str]:
    """The layers whose units are all alike; none where the weights have no values yet.

    A `train_step` with optimizers of its own shows its weights while it is being traced.
    """
    with suppress(Exception), _outside_of_a_trace():
        return [layer.name for layer in model._flatten_layers() if _is_alike(layer)]
    return []


def _outside_of_a_trace() -> AbstractContextManager:
    if keras.backend.backend() != "tensorflow":
        return nullcontext()
    import tensorflow as tf

    return tf.init_scope()


def _is_alike(layer: keras.layers.Layer) -> bool:
    """Whether all units of a layer have the same weights."""
    for variable in layer.trainable_variables if not getattr(layer, "layers", ()) else ():
        shape = tuple(variable.shape)
        if variable.name != "kernel" or shape[-1] < 2 or np.prod(shape) > LARGE:
            continue
        kernel = keras.ops.convert_to_numpy(variable.value)
        if np.ptp(kernel, axis=-1).max(initial=0) == 0:
            return True
    return False
