"""The named zoo: sizes, names and published facts."""

import re
from pathlib import Path

import numpy as np
import pytest
from reference import SIZES

from keraskip import build, list_models
from keraskip.models.anatomy import anatomy
from keraskip.models.zoo import ZOO

# The next deepest is counted in benchmarks/build_time.py.
COUNTED_THERE = "preact_resnet1001"
# A smaller network of the same kind is built, too. The deepest one takes a quarter of a minute, and
# Keras' walk through it goes deeper than Python recurses by default.
DEEP = {
    "plain44", "plain110", "resnet44", "resnet110", "resnet1202", "preact_resnet164",
    "densenet100_k24", "densenet_bc250_k24", "densenet_bc190_k40", "resnet34", "resnet101v1.5",
    "resnet152v1.5", "resnet101", "resnet152", "resnet101v2", "resnet152v2", "densenet169",
    "densenet201", "densenet264", "densenet161", "plain56", "resnet56", "resnet50v2",
    "resnet50v1.5", "preact_resnet110", "densenet121", "densenet100_k12", "densenet_bc100_k12",
    "plain32", "resnet32", "resnet50",
}  # fmt: skip


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size, marks=pytest.mark.slow if size.name in DEEP else ())
        for size in SIZES
        if size.name != COUNTED_THERE
    ],
    ids=str,
)
def test_size(size):
    # Without random numbers, which take as long as the rest.
    model = build(size.name, kernel_initializer="zeros", **size.overrides)
    assert count(model.trainable_weights) == size.trainable
    if size.total is not None:
        assert model.count_params() == size.total
    if size.mmacs is not None:
        assert anatomy(model).macs / 1e6 == pytest.approx(size.mmacs, rel=0.005)


def test_sizes_of_plain_and_residual_networks_grow_with_their_blocks():
    """So those that are built each time stand for those that are too deep for that."""
    count = 0
    for size in SIZES:
        arguments = ZOO[size.name].arguments
        if size.name.startswith(("plain", "resnet")) and arguments.get("stem") != "imagenet":
            n, projects = (arguments["depth"] - 2) // 6, size.overrides == {"shortcut": "B"}
            assert size.trainable == 97216 * n - 21926 + 2752 * projects
            assert size.total == size.trainable + 448 * n + 32 + 192 * projects
            count += 1
    assert count == 16


def test_every_network_has_as_many_parameters_as_published():
    """Keras prints all parameters, torchvision the trainable ones, papers these rounded."""
    sizes = {size.name: size for size in SIZES if not size.overrides}
    for name, entry in ZOO.items():
        if entry.parameters is None:
            continue
        # Basic blocks are the same in v1 and v1.5.
        size = sizes[name] if name in sizes else sizes[name.removesuffix("v1.5")]
        counted = size.total if "conventions" in entry.arguments else size.trainable
        tolerance = 0.05 if entry.parameters % 10_000 == 0 else 0
        assert counted == pytest.approx(entry.parameters, rel=tolerance, abs=0), name


def test_every_name_has_a_size_that_is_checked_or_a_twin_that_has():
    sizes = {size.name for size in SIZES}
    twins = {"resnet18v1.5", "resnet34v1.5", "resnet18v2", "resnet34v2"}
    twins |= {"plain18", "plain34", "plain1202"}
    assert set(ZOO) == sizes | twins


def test_basic_blocks_are_the_same_in_v1_and_v15():
    # Without random numbers, which take as long as the rest.
    first, second = (
        build(name, kernel_initializer="zeros") for name in ("resnet18", "resnet18v1.5")
    )
    assert [w.path for w in first.weights] == [w.path for w in second.weights]
    strides = [
        [(layer.name, layer.strides) for layer in model.layers if hasattr(layer, "strides")]
        for model in (first, second)
    ]
    assert strides[0] == strides[1]


def test_plain18_is_the_twin_of_resnet18_with_shortcut_a():
    plain = build("plain18", kernel_initializer="zeros")
    resnet = build("resnet18", shortcut="A", kernel_initializer="zeros")
    assert [w.path for w in plain.weights] == [w.path for w in resnet.weights]


def test_list_models():
    assert list_models() == list(ZOO)
    assert list_models("resnet50*") == ["resnet50", "resnet50v1.5", "resnet50v2"]
    assert list_models("vgg*") == []


def test_the_pages_tell_the_number_of_names():
    root, count = Path(__file__).parents[1], len(list_models())
    assert f"one of {count} names" in (root / "README.md").read_text("utf-8")
    assert f"{count} of them by name" in (root / "CHANGELOG.md").read_text("utf-8")


def test_build_takes_changes():
    model = build("resnet20", classes=100, shortcut="B", name="mine")
    assert (model.name, model.output_shape) == ("mine", (None, 100))
    assert model.get_layer("stage2_block1_shortcut_conv")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("resnet55", "resnet5"),
        ("DenseNet121", "densenet121"),
        (56, "none"),
        (["resnet20"], "resnet20"),
    ],
)
def test_an_unknown_name_is_answered_with_close_ones(name, nearest):
    with pytest.raises(ValueError, match=rf"{re.escape(repr(name))} \(nearest: .*{nearest}"):
        build(name)


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet20", "cifar10", r"None, 'fashion_mnist' or the path.*weights='cifar10'$"),
        ("resnet20", "fashion-mnist", r"\(nearest: 'fashion_mnist'\)"),
        ("resnet20", "Fashion_MNIST", r"\(nearest: 'fashion_mnist'\)"),
        ("resnet50", "ImageNet", r"None, 'imagenet' or the path.*\(nearest: 'imagenet'\)"),
        ("resnet32", "cifar10", "must be None or the path of a file"),
        ("resnet20", "missing.keras", "a file that exists"),
    ],
)
def test_weights_that_do_not_exist(name, weights, message):
    with pytest.raises(ValueError, match=message):
        build(name, weights=weights)


def test_the_name_says_the_depth():
    with pytest.raises(TypeError, match=r"name='resnet56', depth=110; keraskip.build_resnet"):
        build("resnet56", depth=110)
    with pytest.raises(TypeError, match="widths"):
        build("resnet56", widths=3)


@pytest.mark.parametrize("entry", ZOO.values(), ids=list(ZOO))
def test_published_facts(entry):
    assert entry.source
    assert entry.recipe
    assert all(1 < error < 40 for error in entry.errors.values())


def test_weights_that_have_no_name():
    with pytest.raises(TypeError, match="weights of type ndarray"):
        build("resnet20", weights=np.array([1, 2]))
