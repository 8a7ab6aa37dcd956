"""Weights of torchvision's networks: what they compute in PyTorch they compute here."""

import keras
import numpy as np
import pytest
from torch_files import random_tensor, write_safetensors

from keraskip import build, build_densenet, build_resnet

TINY = {"stem": "imagenet", "classes": 5, "classifier_activation": None}
# Our network, and the blocks of each stage, expansion or growth, and widths of the reference.
SMALL = {
    "basic": (
        lambda **more: build_resnet(stage_blocks=(1, 2), filters=(8, 16), **TINY | more),
        ("ResNet", (1, 2), 1, (8, 16), 5),
    ),
    "bottleneck": (
        lambda **more: build_resnet(
            variant="v1.5", block="bottleneck", stage_blocks=(2, 1), filters=(4, 8), **TINY | more
        ),
        ("ResNet", (2, 1), 4, (4, 8), 5),
    ),
    "dense": (
        lambda **more: build_densenet(stage_blocks=(2, 2), growth_rate=4, **TINY | more),
        ("DenseNet", (2, 2), 4, 5),
    ),
}
# He et al. 2015, Table 1, and Huang et al. 2017, Table 1; v1.5 is torchvision's.
LARGE = {
    "resnet18": ("ResNet", (2, 2, 2, 2), 1),
    "resnet34": ("ResNet", (3, 4, 6, 3), 1),
    "resnet50v1.5": ("ResNet", (3, 4, 6, 3), 4),
    "resnet101v1.5": ("ResNet", (3, 4, 23, 3), 4),
    "resnet152v1.5": ("ResNet", (3, 8, 36, 3), 4),
    "densenet121": ("DenseNet", (6, 12, 24, 16), 32),
    "densenet161": ("DenseNet", (6, 12, 36, 24), 48),
    "densenet169": ("DenseNet", (6, 12, 32, 32), 32),
    "densenet201": ("DenseNet", (6, 12, 48, 32), 32),
}


def shape_of(height, width):
    first = keras.config.image_data_format() == "channels_first"
    return (3, height, width) if first else (height, width, 3)


def images(height, width):
    return np.random.default_rng(3).normal(size=(2, height, width, 3)).astype("float32")


def reference(kind, *arguments):
    """A network of PyTorch with random weights."""
    torch = pytest.importorskip("torch", reason="the reference networks are of PyTorch")
    import torch_networks

    network = getattr(torch_networks, kind)(*arguments).eval()
    tensors = {name: random_tensor(name, value.shape) for name, value in state(network).items()}
    network.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    return network, tensors


def state(network):
    return {name: value.numpy() for name, value in network.state_dict().items()}


def answers_of_torch(network, batch):
    """The last maps with channels last, and the logits."""
    import torch

    with torch.no_grad():
        maps, logits = network(torch.from_numpy(np.moveaxis(batch, -1, 1).copy()))
    return [np.moveaxis(maps.numpy(), 1, -1), logits.numpy()]


def answers(model, batch):
    """The same of our model."""
    maps = model.get_layer("head_pool").input
    outputs = keras.Model(model.input, [maps, model.output])(batch, training=False)
    return [keras.ops.convert_to_numpy(output) for output in outputs]


def assert_same_answers(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        scale = np.abs(theirs).max()
        # Two images give different answers, so that equal ones mean something.
        assert np.abs(theirs[0] - theirs[1]).max() > 1e-3 * scale
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_compute_the_same(tmp_path, name):
    make, arguments = SMALL[name]
    network, tensors = reference(*arguments)
    file = write_safetensors(tmp_path / "small.safetensors", tensors)
    # Odd sizes, so that a map padded on one side only would show.
    batch = images(45, 38)
    model = make(input_shape=shape_of(45, 38), weights=file)
    assert_same_answers(answers(model, batch), answers_of_torch(network, batch))


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_networks_compute_the_same(tmp_path, name):
    network, tensors = reference(*LARGE[name])
    file = write_safetensors(tmp_path / "large.safetensors", tensors)
    batch = images(96, 64)
    model = build(
        name, weights=file, conventions="paper", kernel_initializer="zeros",
        classifier_activation=None, input_shape=shape_of(96, 64),
    )  # fmt: skip
    assert_same_answers(answers(model, batch), answers_of_torch(network, batch))
