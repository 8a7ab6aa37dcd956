"""A look into a model between epochs, by passes outside of the training step."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keraskip.callbacks.hook.probe_passes import Seen, Shifts, forward, gradients, packed
from keraskip.callbacks.hook.probe_sites import Site, is_floating, sites_of
from keraskip.callbacks.hook.probe_values import branches, dead, over_time, shattering, signal
from keraskip.callbacks.step.optimizers import loss_scale
from keraskip.graph import has_graph

# How far the samples move for `shattering`, in standard deviations of their values.
NEARBY = 0.01
NOTHING = Shifts({}, {}, {})


class Probe:
    """Looks at a functional model on a fixed batch; changes nothing in it.

    The passes are as in training: batch normalisation uses the batch, and the loss is the one given
    to `compile`. Unknown values, such as the correlation of gradients that are 0, are NaN.

    Args:
        x: samples `[batch, ...]`: an array, or a list or dict of arrays, one for each input.
        y: their labels: an array, or a list or dict of arrays, one for each output.
    """

    def __init__(self, x: Any, y: Any) -> None:
        self._x, self._y = x, y

    def check(self, model: keras.Model) -> None:
        """A ValueError or TypeError for a model that cannot be looked into."""
        graph = _graph(model)
        sites_of(graph)
        given = len(keras.tree.flatten(self._x))
        # A dict may hold more than the model takes.
        if not isinstance(self._x, dict) and given != len(graph.inputs):
            raise ValueError(
                f"probe needs one array for each input of the model. Received: {given} for "
                f"model {model.name!r} with inputs {[tensor.name for tensor in graph.inputs]}"
            )

    def look(self, model: keras.Model) -> list[dict[str, Any]]:
        """The probes of the model as it is now: rows with `probe`, `layer`, `depth` and `value`.

        A layer inside of a nested model has the names of the models around it before its own, such
        as `encoder/dense`. A layer that is called several times has a row for each call, numbered
        in the order of the graph: `dense`, `dense (2)` and so on. Layers that another layer calls,
        as `TimeDistributed` does, have no rows of their own.

        The probes are:

        `signal`: for each layer with a kernel and each merge of paths, in the order of the graph,
        the L2 norm of the gradient of the loss with respect to its output; of several outputs, all
        together. An activity regularizer of the layer itself does not count; one of a later layer
        does.

        `branch_share`: for each addition of a branch to a shortcut, the variance of the branch over
        the variance of the shortcut (De & Smith 2020, arXiv 2002.10444).

        `dead`: for each ReLU, the share of its channels that are 0 for all samples and positions.

        `time`: for each recurrent layer (`RNN`, which `SimpleRNN`, `LSTM`, `GRU` and `ConvLSTM`
        are, and `Bidirectional`), a list: for each time step the L2 norm, over samples and
        features, of the gradient of the loss with respect to the layer's input at that step. It
        sums all ways from that input through this layer to the loss, also those through the states
        of later steps; ways past the layer, such as a skip connection, do not count. Where only
        the last output is used, a layer that forgets shows as a fall from the last step to the
        first, by `log10(value[-1] / value[0])` orders of magnitude. With `Bidirectional` the
        values are high at both ends then, and low in the middle. Where the outputs of all steps
        are used, the way of each step's own output hides such a fall. A sample whose step is
        masked adds 0; a step that is masked in all samples is NaN.

        `shattering`: for each input of floating point, the correlation of the gradients with
        respect to the samples here and a hundredth of a standard deviation away, mean over the
        samples (Balduzzi et al. 2017, arXiv 1702.08591): 1 where the gradient is smooth, 0 where it
        is noise. Integers, such as tokens, have none: between two tokens there is no nearby sample.
        """
        graph = _graph(model)
        sites = sites_of(graph)
        x = graph._standardize_inputs(self._x)
        with keras.StatelessScope():
            _, seen = forward(graph, x, NOTHING)
        samples = {index: tensor for index, tensor in enumerate(x) if is_floating(tensor)}
        here = self._gradients(model, graph, x, _zeros(sites, seen)._replace(inputs=samples))
        there = self._gradients(model, graph, x, NOTHING._replace(inputs=_nearby(samples)))
        entrances = {index: _entrance(graph, sites, index) for index in samples}
        return [
            *signal(sites, here.outputs),
            *branches(sites, seen),
            *dead(sites, seen),
            *over_time(sites, seen, here.sequences),
            *shattering(entrances, here.inputs, there.inputs),
        ]

    def _gradients(
        self, model: keras.Model, graph: keras.Function, x: list, shifts: Shifts
    ) -> Shifts:
        """The gradients of the loss, as arrays."""
        # As in training, against underflow in float16.
        scale = float(ops.convert_to_numpy(loss_scale(model.optimizer) or 1.0))
        y = keras.tree.map_structure(ops.convert_to_tensor, self._y)
        # A penalty on weights asks the scope for their values.
        weights = [(variable, variable.value) for variable in model.trainable_variables]

        def loss(shifts: Shifts) -> Any:
            # One scope, which also holds the losses that layers add on the way.
            with keras.StatelessScope(weights, collect_losses=True):
                outputs, _ = forward(graph, x, shifts)
                return scale * model.compute_loss(packed(graph._inputs_struct, x), y, outputs)

        def unscaled(gradient: Any) -> np.ndarray:
            return ops.convert_to_numpy(ops.cast(gradient, "float32")).astype(float) / scale

        return Shifts(*keras.tree.map_structure(unscaled, tuple(gradients(loss, shifts))))


def _graph(model: keras.Model) -> keras.Function:
    if not has_graph(model):
        raise TypeError(
            "probe needs a functional model, or Sequential with an Input. "
            f"Received: model of class {type(model).__name__}"
        )
    return getattr(model, "_functional", model)


def _entrance(graph: keras.Function, sites: list[Site], index: int) -> Site:
    """The call that stands for an input of the model."""
    layer = graph.inputs[index]._keras_history.operation
    return next(site for site in sites if site.layer is layer)


def _nearby(samples: dict[int, Any]) -> dict[int, Any]:
    generator, moved = np.random.default_rng(0), {}
    for index, tensor in samples.items():
        x = ops.convert_to_numpy(tensor)
        noise = generator.standard_normal(x.shape)
        moved[index] = ops.convert_to_tensor((x + NEARBY * x.std() * noise).astype(x.dtype))
    return moved


def _zeros(sites: list[Site], seen: list[Seen]) -> Shifts:
    """Zeros that are added to the tensors whose gradients are asked for."""
    outputs = {
        number: {
            index: ops.zeros_like(output)
            for index, output in enumerate(seen[number].outputs)
            if is_floating(output)
        }
        for number, site in enumerate(sites)
        if site.is_boundary
    }
    sequences = {
        number: ops.zeros_like(seen[number].inputs[0])
        for number, site in enumerate(sites)
        if site.is_recurrent
    }
    return Shifts({}, outputs, sequences)
