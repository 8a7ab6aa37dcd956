"""Weights of keras.applications in our networks, checked with random ones."""

import keras
import numpy as np
import pytest

from keraskip.models.zoo import build

SIDE = 64
# One of each kind; the deeper ones have more of the same blocks, and exact sizes in test_zoo.py.
KINDS = ("ResNet50", "ResNet50V2", "DenseNet121")


def randomized(application, **arguments):
    """An untrained network of keras.applications in which every weight differs from its default."""
    model = getattr(keras.applications, application)(weights=None, **arguments)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
        elif getattr(layer, "use_bias", False):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, random.normal(size=bias.shape)])
    return model


def answers(model):
    images = np.random.default_rng(1).normal(size=(2, SIDE, SIDE, 3)).astype("float32")
    return keras.ops.convert_to_numpy(model(images, training=False))


def assert_same_network(model, source):
    """Checks that the model has the weights of the source, and computes the same with them."""
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    expected = answers(source)
    scale = np.abs(expected).max()
    # Different images give different answers, so that equal ones mean something.
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale
    np.testing.assert_allclose(answers(model) / scale, expected / scale, atol=1e-5)


EFFICIENT = {"memory_efficient": True}
CASES = [
    *((kind, top, {}) for kind in KINDS for top in (True, False)),
    *(("DenseNet121", top, EFFICIENT) for top in (True, False)),
]


@pytest.mark.slow  # seconds each: no network of Keras that has such weights is small
@pytest.mark.parametrize(("application", "include_top", "changes"), CASES)
def test_imagenet_weights_come_from_keras(monkeypatch, application, changes, include_top):
    size = {"input_shape": (SIDE, SIDE, 3), "include_top": include_top}
    source = randomized(application, **size, classifier_activation=None)

    def downloaded(weights, include_top):
        assert (weights, include_top) == ("imagenet", size["include_top"])
        return source

    monkeypatch.setattr(keras.applications, application, downloaded)
    model = build(
        application.lower(),
        weights="imagenet",
        kernel_initializer="zeros",
        classifier_activation=None,
        **size,
        **changes,
    )
    assert_same_network(model, source)
