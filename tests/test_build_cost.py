"""Building and exporting make Keras do no more work than the layers need, counted in calls.

Counts are the same on every machine. `benchmarks/build_time.py` measures seconds.
"""

import cProfile
import gc
from collections import Counter

import keras
import pytest
from keras import layers
from members import MEMBERS, quick

from keraskip import build_densenet, build_resnet, export_savedmodel

SMALL = {"input_shape": (8, 8, 3)}
QUICK = ("resnet", "densenet_bc", "densenet_efficient")
# The Python calls that a block may take, relative to its layers made by hand, with names that
# Keras makes up. Measured: 0.9995 and 0.9986.
MOST = 1.01


@pytest.fixture
def work(monkeypatch):
    """How often each layer, by name, has been made and called."""
    counts = {"made": Counter(), "called": Counter()}
    make, call = keras.Layer.__init__, keras.Layer.__call__

    def making(layer, *arguments, **options):
        make(layer, *arguments, **options)
        counts["made"][layer.name] += 1

    def calling(layer, *arguments, **options):
        counts["called"][layer.name] += 1
        return call(layer, *arguments, **options)

    monkeypatch.setattr(keras.Layer, "__init__", making)
    monkeypatch.setattr(keras.Layer, "__call__", calling)
    return counts


@pytest.mark.parametrize("name", quick(QUICK, MEMBERS))
def test_a_builder_makes_each_layer_once_and_calls_it_once(name, work):
    model = MEMBERS[name](**SMALL)
    called = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    assert work["called"] == Counter(layer.name for layer in called)
    assert work["made"] == Counter(layer.name for layer in model._flatten_layers())


def residual(count):
    """The layers of `build_resnet`, made by hand."""
    images = x = keras.Input((32, 32, 16))
    for _ in range(count):
        y = layers.Activation("relu")(normalized(convolved(x, 16)))
        y = normalized(convolved(y, 16))
        x = layers.Activation("relu")(layers.Add()([x, y]))
    return keras.Model(images, x)


def dense(count):
    """The layers of `build_densenet`, made by hand."""
    images = x = keras.Input((32, 32, 16))
    for _ in range(count):
        y = layers.Activation("relu")(normalized(x))
        x = layers.Concatenate()([x, convolved(y, 12)])
    return keras.Model(images, x)


def convolved(x, filters):
    options = {"use_bias": False, "kernel_initializer": "he_normal"}
    return layers.Conv2D(filters, 3, padding="same", **options)(x)


def normalized(x):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def calls_of_blocks(build):
    """The Python calls that two more blocks take: what a network takes once cancels out."""
    build(1)  # fills caches
    return python_calls(build, 3) - python_calls(build, 1)


def python_calls(build, count):
    profile = cProfile.Profile()
    # Otherwise it counts what the collector calls for objects that other tests have left.
    gc.disable()
    try:
        profile.runcall(build, count)
    finally:
        gc.enable()
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize(
    ("build", "by_hand"),
    [
        (lambda count: build_resnet(stage_blocks=(count,), filters=(16,)), residual),
        (lambda count: build_densenet(stage_blocks=(count,)), dense),
    ],
    ids=["resnet", "densenet"],
)
def test_a_block_takes_no_more_calls_than_its_layers_made_by_hand(build, by_hand):
    assert calls_of_blocks(build) < MOST * calls_of_blocks(by_hand)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="another process writes on other backends"
)
@pytest.mark.filterwarnings("ignore:The moving statistics")
def test_an_export_calls_each_layer_four_times(work, tmp_path):
    """To fold the normalisations, to compute one sample and a batch, and to write."""
    model = MEMBERS["resnet"](**SMALL)
    for counter in work.values():
        counter.clear()
    export_savedmodel(model, tmp_path / "model")
    assert max(work["called"].values()) == 4
    assert max(work["made"].values()) == 1
