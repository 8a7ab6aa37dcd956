"""Weights of torchvision's networks: what they compute in PyTorch they compute here."""

import keras
import numpy as np
import pytest
from members import quick
from torch_files import random_tensor, write_safetensors

from keraskip import build, build_densenet, build_resnet
from keraskip.models.torch_names import dense_name, fill, residual_name, torch_name

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


# The logits of the small reference networks for two images, computed by PyTorch 2.13.
LOGITS = {
    "basic": (
        (1.4528368, 1.0079753, 1.9344712, -2.4676449, -2.6588998),
        (1.6110257, 0.8925053, 1.9086686, -2.5481808, -2.5845804),
    ),
    "bottleneck": (
        (1.1422696, -1.4131517, -0.8497537, 0.4256505, -0.2505650),
        (1.1207584, -1.9425263, -1.0073618, 0.4309256, -0.1061435),
    ),
    "dense": (
        (-0.4395885, 0.4159722, 0.0360101, -0.3998679, -0.7401845),
        (-0.4135694, 0.3800059, 0.0231602, -0.4371858, -0.7258428),
    ),
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


@pytest.mark.parametrize("name", quick(["resnet18", "resnet50v1.5", "densenet121"], LARGE))
def test_large_networks_compute_the_same(tmp_path, name):
    network, tensors = reference(*LARGE[name])
    file = write_safetensors(tmp_path / "large.safetensors", tensors)
    batch = images(96, 64)
    model = build(
        name, weights=file, conventions="paper", kernel_initializer="zeros",
        classifier_activation=None, input_shape=shape_of(96, 64),
    )  # fmt: skip
    assert_same_answers(answers(model, batch), answers_of_torch(network, batch))


def tensors_for(model, name_of):
    """Random tensors for a model, as a file of PyTorch has them."""
    tensors = {}
    for weight in model.weights:
        name, shape = torch_name(weight.path, name_of), tuple(weight.shape)
        is_kernel = weight.path.endswith("/kernel")
        tensors[name] = random_tensor(name, shape[:-3:-1] + shape[:-2] if is_kernel else shape)
    return tensors


def made(name, tmp_path):
    """A small network with random weights from a file, and the file's tensors."""
    make, name_of = SMALL[name][0], dense_name if name == "dense" else residual_name
    bare = make(input_shape=shape_of(45, 38), kernel_initializer="zeros")
    tensors = tensors_for(bare, name_of)
    fill(bare, tensors, name_of, "memory")
    return bare, tensors


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    return made("dense", tmp_path_factory.mktemp("dense"))


@pytest.mark.parametrize(
    "name", ["bottleneck", "dense", pytest.param("basic", marks=pytest.mark.slow)]
)
def test_logits_are_those_that_pytorch_computed(tmp_path, dense, name):
    """Also where there is no PyTorch. Random tensors follow from their names, so these count."""
    model, _ = dense if name == "dense" else made(name, tmp_path)
    logits = keras.ops.convert_to_numpy(model(images(45, 38), training=False))
    np.testing.assert_allclose(logits, LOGITS[name], atol=2e-5)


@pytest.mark.parametrize("name", SMALL)
def test_the_stored_logits_are_those_of_the_reference(name):
    network, _ = reference(*SMALL[name][1])
    _, logits = answers_of_torch(network, images(45, 38))
    np.testing.assert_allclose(logits, LOGITS[name], atol=2e-6)


def test_a_file_fills_a_network_without_a_head_and_a_memory_efficient_one(tmp_path, dense):
    model, tensors = dense
    file = write_safetensors(tmp_path / "dense.safetensors", tensors)
    more = {"memory_efficient": True, "include_top": False, "classes": None, "prefix": "left-"}
    headless = SMALL["dense"][0](input_shape=shape_of(45, 38), weights=file, **more)
    *ours, _, _ = model.get_weights()
    for expected, found in zip(ours, headless.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("prefix", ["", "left-", "transition_", "transition1_"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("block1_layer2_recomputed/composite2/conv/kernel", "denseblock1.denselayer2.conv2.weight"),
        ("block1_layer2_recomputed2/composite1/norm/beta", "denseblock1.denselayer2.norm2.bias"),
        ("transition1_recomputed/composite1/norm/gamma", "transition1.norm.weight"),
    ],
)
def test_memory_efficient_layers_have_names_with_any_prefix(prefix, path, name):
    assert torch_name(prefix + path, dense_name) == f"features.{name}"


def test_the_older_names_of_dense_networks_and_counters(dense):
    model, tensors = dense
    older = {
        (name.replace("norm1.", "norm.1.") if "denselayer" in name else name): tensor
        for name, tensor in tensors.items()
    }
    assert set(older) != set(tensors)
    expected = model.get_weights()
    model.set_weights([np.zeros_like(value) for value in expected])
    fill(model, older | {"features.norm0.num_batches_tracked": np.asarray(3)}, dense_name, "here")
    for ours, before in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, before)


NAME = "features.denseblock1.denselayer2.conv1.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop(NAME),
            rf"block1_layer2_conv1/kernel \({NAME}\); tensors without a weight: none",
        ),
        (
            lambda tensors: tensors.update({"extra.weight": np.zeros(2, "float32")}),
            "weights without a tensor: none; tensors without a weight: extra.weight",
        ),
        (
            lambda tensors: tensors.update({NAME: np.zeros((16, 8, 1, 1), "float32")}),
            rf"block1_layer2_conv1/kernel of \(1, 1, 12, 16\). Received: \(1, 1, 8, 16\) .*{NAME}",
        ),
        (
            lambda tensors: tensors.update(
                {NAME.replace("conv1", "conv.1"): np.zeros(2, "float32")}
            ),
            "Each tensor must be there once",
        ),
        (
            lambda tensors: tensors.update({NAME: np.float32(0)}),
            r"block1_layer2_conv1/kernel of \(1, 1, 12, 16\). Received: \(\) for tensor",
        ),
        (
            lambda tensors: tensors.update({"line\nbreak": np.zeros(2, "float32")}),
            r"tensors without a weight: 'line\\nbreak'$",
        ),
        (
            lambda tensors: [tensors.pop(name) for name in list(tensors) if "layer1" in name],
            r"and \d+ more; tensors",
        ),
    ],
    ids=["missing", "extra", "shape", "twice", "scalar", "newline", "many"],
)
def test_files_that_do_not_fit_are_refused(dense, change, message):
    model, tensors = dense
    before = model.get_weights()
    changed = dict(tensors)
    change(changed)
    with pytest.raises(ValueError, match=message) as refusal:
        fill(model, changed, dense_name, "here.safetensors")
    assert "here.safetensors" in str(refusal.value)
    for ours, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, kept)


def test_layers_that_torchvision_lacks_are_named(tmp_path):
    file = write_safetensors(tmp_path / "none.safetensors", {"fc.weight": np.zeros((10, 4), "f4")})
    with pytest.raises(ValueError, match=r"head_norm/gamma \(torchvision has no such layer\)"):
        build_resnet(variant="preact", stage_blocks=(1,), filters=(4,), weights=file)


def test_tensors_are_for_conventions_of_the_papers(tmp_path):
    file = write_safetensors(tmp_path / "none.safetensors", {})
    with pytest.raises(ValueError, match=r"conventions='keras' \(nearest: 'paper'\)"):
        build("densenet121", weights=file)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("resnet50", {}), ("resnet50", {"conventions": "paper"}), ("resnet50v2", {})],
)
def test_tensors_are_for_bottlenecks_with_the_stride_of_torchvision(tmp_path, name, changes):
    """Names and shapes would fit in resnet50 with the conventions of the paper."""
    file = write_safetensors(tmp_path / "none.safetensors", {})
    with pytest.raises(ValueError, match=r"build\('resnet50v1.5'\).*nearest: variant='v1.5', con"):
        build(name, weights=file, **changes)
