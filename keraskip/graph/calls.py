"""The calls of a model, in order, with the calls inside of layers that contain layers."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import keras
from keras import layers

from keraskip.graph.kernels import holds_kernel, is_composite
from keraskip.graph.walk import Visit, check_graph, follow, has_graph, nodes_between, walk
from keraskip.graph.watch import Watched, Watcher, tensors_of

# How the order of the calls inside of a layer is known, the surest first.
ORDERS = ("graph", "calls", "creation")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer, or of an operation such as `x + y`.

    Attributes:
        name: name of the layer, after the names of the models and layers around it.
        layer: the layer.
        inputs: the tensors it was called on; symbolic ones say shape and type.
        outputs: the tensors that came out. Where two calls meet, they hold the same tensor.
        graph_outputs: the tensors of the model's own graph that `outputs` stand for.
        training: the mode to which the graph holds the layer, if it does.
        inside: the calls that the layer makes, of one that contains layers with kernels.
        ends: the tensors inside that `outputs` stand for, where they are known.
        order: how their order is known, a member of `ORDERS`.
    """

    name: str
    layer: Any
    inputs: list
    outputs: list
    graph_outputs: list = field(default_factory=list)
    training: bool | None = None
    inside: "list[Call]" = field(default_factory=list)
    ends: list = field(default_factory=list)
    order: str = ORDERS[0]


def trace(model: keras.Model, input_shape: tuple | None = None) -> list[Call]:
    """All calls of a model in the order of its graph, with the calls inside of nested models.

    Args:
        model: a functional model, or a Sequential one that knows its input shape.
        input_shape: shape of one sample, to fill in what the model's input leaves open.

    Raises:
        TypeError: for a model without a graph.
        ValueError: for an input shape that does not fit the model.
    """
    check_graph(model)
    return _read(model, _input_tensors(model, input_shape))[0]


def uses(model: keras.Model) -> tuple[list[Call], Counter[int]]:
    """The calls of `trace`, and how often each of their tensors is used, by its id.

    To leave the model is a use too. Raises TypeError for a model without a graph.
    """
    check_graph(model)
    calls, outputs = _read(model, _input_tensors(model))
    used = [*outputs, *(tensor for call in calls for tensor in call.inputs)]
    return calls, Counter(map(id, used))


def read(model: keras.Model) -> tuple[list[Call], str]:
    """The calls of any model that has its weights.

    Returns:
        The calls, and how sure their order is, a member of `ORDERS`.
    """
    calls = trace(model) if has_graph(model) else [_called("", model, *_built_on(model), [])]
    return calls, max(_orders(calls), key=ORDERS.index, default=ORDERS[0])


def _orders(calls: Sequence[Call]) -> Iterator[str]:
    for call in calls:
        yield call.order
        yield from _orders(call.inside)


def _input_tensors(model: keras.Model, input_shape: tuple | None = None) -> list:
    shapes = [tensor.shape for tensor in model.inputs]
    if input_shape is not None:
        if len(shapes) != 1 or not _fits(tuple(input_shape), shapes[0][1:]):
            raise ValueError(
                "input_shape must fit the one input of the model. Received: "
                f"input_shape={tuple(input_shape)} for {[shape[1:] for shape in shapes]}"
            )
        shapes = [(shapes[0][0], *input_shape)]
    return [
        keras.KerasTensor(shape, dtype=tensor.dtype)
        for shape, tensor in zip(shapes, model.inputs, strict=True)
    ]


def _fits(given: tuple, known: tuple) -> bool:
    return len(given) == len(known) and all(
        size in (None, side) for side, size in zip(given, known, strict=True)
    )


def _built_on(layer: Any) -> tuple[tuple, dict[str, Any]]:
    """Symbolic arguments for a layer's call, of the shapes that it was built for, if it knows."""
    try:
        config = layer.get_build_config() or {}
        shapes = config.get("shapes_dict") or {}
        if config.get("input_shape"):
            return (_symbolic(config["input_shape"]),), {}
        return (), {name.removesuffix("_shape"): _symbolic(shape) for name, shape in shapes.items()}
    except Exception:
        # A custom layer may keep anything there.
        return (), {}


def _symbolic(shape: Any) -> Any:
    return keras.tree.map_shape_structure(keras.KerasTensor, shape)


def _read(model: Any, tensors: list, path: str = "") -> tuple[list[Call], list]:
    """The calls of a model with a graph on these tensors, and the tensors that come out.

    Only shapes and types are computed, and the layers keep no trace of it.
    """
    calls: list[Call] = []
    return calls, walk(model, tensors, _collecting(calls), path)


def _collecting(calls: list[Call], inside: bool = False) -> Visit:
    """Appends each call that a walk visits.

    Args:
        calls: the list.
        inside: whether a layer makes the calls; it may use tensors that no call made.
    """

    def visit(name: str, node: Any, known: dict) -> list:
        layer, inputs = node.operation, [known[id(tensor)] for tensor in node.input_tensors]
        if node.is_input:
            call = Call(name, layer, [], [known[id(tensor)] for tensor in node.outputs])
        else:
            args, kwargs = node.arguments.fill_in(known)
            call = _called(name, layer, args, kwargs, _outputs(node, inputs, args, kwargs))
            call = call if inside else replace(call, inputs=inputs)
        training = node.arguments.kwargs.get("training")
        calls.append(replace(call, graph_outputs=node.outputs, training=training))
        return call.outputs

    return visit


def _outputs(node: Any, inputs: list, args: Sequence[Any], kwargs: dict[str, Any]) -> list:
    """Symbolic tensors for the outputs of a call, computed only where shapes are new."""
    if _kinds(inputs) == _kinds(node.input_tensors):
        return [keras.KerasTensor(tensor.shape, dtype=tensor.dtype) for tensor in node.outputs]
    return keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))


def _kinds(tensors: Sequence[Any]) -> list:
    return [(tensor.shape, tensor.dtype) for tensor in tensors]


def _called(
    name: str, layer: Any, args: Sequence[Any], kwargs: dict[str, Any], outputs: list
) -> Call:
    """The call of a layer, with the calls inside if it contains layers with kernels."""
    inputs = tensors_of((args, kwargs))
    if not is_composite(layer):
        return Call(name, layer, inputs, outputs)
    inside, ends, order = _opened(f"{name}/" if name else "", layer, args, kwargs)
    return Call(name, layer, inputs, outputs, inside=inside, ends=ends, order=order)


def _opened(
    path: str, layer: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Call], list, str]:
    """The calls inside of a layer, the tensors that come out, and how the order is known."""
    ways = (_inside_by_graph, _inside_by_calls) if tensors_of((args, kwargs)) else ()
    for order, way in zip(ORDERS, ways, strict=False):
        try:
            # The real call has warned already, or will.
            with warnings.catch_warnings(), _forgotten(layer):
                warnings.simplefilter("ignore")
                return *way(path, layer, args, _while_training(layer, kwargs)), order
        except Exception:
            # A custom layer may do anything, also what a symbolic tensor refuses.
            continue
    return _inside_by_creation(path, layer), [], ORDERS[-1]


def _while_training(layer: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments for a call in the training step."""
    if "training" in signature(layer.call).parameters and kwargs.get("training") is None:
        return {**kwargs, "training": True}
    return kwargs


def _inside_by_graph(
    path: str, layer: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Call], list]:
    """The calls inside, from the history of the symbolic tensors that the layer returns."""
    if type(layer) in CALLED_PAST_KERAS:
        inner_calls = CALLED_PAST_KERAS[type(layer)](layer, *args)
        return [_called(path + one.name, one, [on], {}, []) for one, on in inner_calls], []
    inputs = tensors_of((args, kwargs))
    if has_graph(layer):
        return _read(layer, inputs, path)
    copies = {id(each): keras.KerasTensor(each.shape, dtype=each.dtype) for each in inputs}
    args, kwargs = keras.tree.map_structure(lambda one: copies.get(id(one), one), (args, kwargs))
    with keras.StatelessScope(), _called_inside(layer) as called:
        outputs = keras.tree.flatten(layer.call(*args, **kwargs))
    known = {id(copies[id(each)]): each for each in inputs}
    nodes = nodes_between(list(copies.values()), outputs)
    if called - {id(node.operation) for node in nodes}:
        raise ValueError("A layer is called whose output the layer around does not return.")
    calls: list[Call] = []
    follow(nodes, known, _collecting(calls, inside=True), path)
    return calls, [known[id(tensor)] for tensor in outputs]


@contextmanager
def _called_inside(layer: Any) -> Iterator[set[int]]:
    """The ids of the layers with kernels that are called meanwhile on symbolic tensors."""
    inner = [each for each in layer._flatten_layers(include_self=False) if holds_kernel(each)]
    before = [len(each._inbound_nodes) for each in inner]
    called: set[int] = set()
    yield called
    counts = zip(inner, before, strict=True)
    called |= {id(each) for each, count in counts if len(each._inbound_nodes) > count}


def _one_step(layer: layers.TimeDistributed, sequence: Any, *_: Any) -> list[tuple[Any, Any]]:
    shape = (sequence.shape[0], *sequence.shape[2:])
    return [(layer.layer, keras.KerasTensor(shape, dtype=sequence.dtype))]


def _both_ways(layer: layers.Bidirectional, sequence: Any, *_: Any) -> list[tuple[Any, Any]]:
    return [(layer.forward_layer, sequence), (layer.backward_layer, sequence)]


# Wrappers that use `call` of the layers inside, which leaves no history; for each the function that
# says which layers they call on what.
CALLED_PAST_KERAS = {layers.TimeDistributed: _one_step, layers.Bidirectional: _both_ways}


def _inside_by_calls(
    path: str, layer: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Call], list]:
    """The calls inside, watched while the shapes of the outputs are computed."""
    watcher = Watcher(layer)
    watcher.compute_output_spec(*args, **kwargs)
    made, inputs = watcher.call_made, tensors_of((args, kwargs))
    # Tensors of the backend, for those outside of the layer.
    known = dict(zip(map(id, made.inputs), inputs, strict=False))
    inside = _linked(made.inside, inputs, known, path)
    return inside, [known.get(id(tensor)) for tensor in made.outputs]


def _linked(watched: Sequence[Watched], before: list, known: dict, path: str) -> list[Call]:
    """Calls as they were watched, each with inputs that earlier calls have made.

    Args:
        watched: the calls.
        before: the tensors that were there last.
        known: the tensors so far, by the ids of those that they stand for.
        path: the names of the layers around.
    """
    calls = []
    for one in watched:
        inputs = [known[id(tensor)] for tensor in one.inputs if id(tensor) in known]
        if len(inputs) < max(len(one.inputs), 1):
            inputs += before
        name = path + one.layer.name
        inside = _linked(one.inside, inputs, known, f"{name}/") if is_composite(one.layer) else []
        calls.append(Call(name, one.layer, inputs, one.outputs, inside=inside, order=ORDERS[1]))
        known |= {id(tensor): tensor for tensor in one.outputs}
        before = one.outputs
    return calls


def _inside_by_creation(path: str, layer: Any) -> list[Call]:
    """The layers inside, each taken to follow the one that was made before it."""
    calls: list[Call] = []
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        call = _called(path + inner.name, inner, *_built_on(inner), [object()])
        before = calls[-1].outputs if calls else []
        calls.append(replace(call, inputs=before, order=ORDERS[-1]))
    return calls


@contextmanager
def _forgotten(layer: Any) -> Iterator[None]:
    """Takes back the traces of symbolic calls in a layer and the layers inside of it."""
    inner = layer._flatten_layers()
    attributes = [dict(vars(each)) for each in inner]
    nodes = [nodes for each in inner for nodes in (each._inbound_nodes, each._outbound_nodes)]
    counts = list(map(len, nodes))
    try:
        yield
    finally:
        for one, count in zip(nodes, counts, strict=True):
            del one[count:]
        for each, before in zip(inner, attributes, strict=True):
            _restore(vars(each), before)


def _restore(attributes: dict[str, Any], before: dict[str, Any]) -> None:
    """Sets back plain values, such as a count of calls, and drops symbolic tensors."""
    for name, value in list(attributes.items()):
        old = before.get(name)
        is_own = not name.startswith("_") and name != "built"
        if isinstance(value, keras.KerasTensor) and name not in before:
            del attributes[name]
        elif is_own and value is not old and isinstance(old, int | float | str | None):
            attributes[name] = old
