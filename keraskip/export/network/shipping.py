"""The versions of a model on its way into a file: as it is, in float32, folded."""

from dataclasses import dataclass

import keras

from keraskip.export.network.folding import folded
from keraskip.export.network.rebuild import for_inference, is_half, rebuild
from keraskip.export.network.scopes import check_names, refused
from keraskip.graph import has_graph


@dataclass(frozen=True)
class Shipping:
    """A model and what is written of it.

    Attributes:
        model: the model as it was given.
        reference: what the artefact must agree with: `model`, or its float32 twin if it computes
            in half precision.
        network: what is written, in float32.
        norms: how many batch normalisations are folded.
    """

    model: keras.Model
    reference: keras.Model
    network: keras.Model
    norms: int

    @property
    def is_half(self) -> bool:
        """Whether the model computes in half precision."""
        return self.reference is not self.model


def shipping_of(model: keras.Model, fold: bool) -> Shipping:
    """The versions of a model; without a graph it is written as it is.

    Mixed precision keeps weights in float32 anyway.
    """
    if not has_graph(model):
        return Shipping(model, model, model, 0)
    half = is_half(model)
    plain = for_inference(model, "float32" if half else None)
    if any(refused(plain)):
        plain = rebuild(plain, lambda *call: None)
    check_names(plain)
    network = folded(plain) if fold else plain
    return Shipping(model, plain if half else model, network, _norms(plain) - _norms(network))


def _norms(model: keras.Model) -> int:
    layers = model._flatten_layers()
    return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in layers)
