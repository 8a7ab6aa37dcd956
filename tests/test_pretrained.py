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


@pytest.mark.parametrize("application", KINDS)
def test_same_outputs_as_keras_applications(application):
    head = {"input_shape": (SIDE, SIDE, 3), "classes": 10, "classifier_activation": None}
    source = randomized(application, **head)
    model = build(application.lower(), kernel_initializer="zeros", **head)
    model.set_weights(source.get_weights())
    expected = answers(source)
    scale = np.abs(expected).max()
    # Different images give different answers, so that equal ones mean something.
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * scale
    np.testing.assert_allclose(answers(model) / scale, expected / scale, atol=1e-5)


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize(
    ("application", "changes"),
    [
        *((kind, {}) for kind in KINDS),
        ("DenseNet121", {"memory_efficient": True}),
    ],
)
def test_imagenet_weights_come_from_keras(monkeypatch, application, changes, include_top):
    source = randomized(application, include_top=include_top)

    def downloaded(weights, include_top):
        assert weights == "imagenet"
        return source

    monkeypatch.setattr(keras.applications, application, downloaded)
    model = build(application.lower(), weights="imagenet", include_top=include_top, **changes)
    for ours, theirs in zip(model.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
