"""Bad arguments: refused before a layer is made, with rule, value and nearest choice."""

import contextlib

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keraskip import build_densenet, build_plain, build_resnet
from keraskip.models.image_shape import check_order
from keraskip.models.styled_layers import check_one_class

ALL = (build_plain, build_resnet, build_densenet)
RESIDUAL = (build_plain, build_resnet)
RESNET = (build_resnet,)
DENSE = (build_densenet,)

# fmt: off
BAD_VALUES = (
    # builders  arguments                         message
    (ALL,      {"depth": 57},                     r"n\+.*depth=57 \(nearest: 5\d, \d\d\)"),
    (ALL,      {"depth": -1},                     r"depth=-1 \(nearest: \d"),
    (ALL,      {"depth": 3, "stem": "imagenet"},  r"depth=3 \(nearest: (18|121)\)"),
    (ALL,      {"depth": None},                   r"depth=None, stage_blocks=None"),
    (ALL,      {"stage_blocks": (9, 9, 9)},       r"agree.*(56|31|58).*depth=\d+ \(nearest"),
    (ALL,      {"depth": None, "stage_blocks": ()}, r"at least one.*stage_blocks=\(\)"),
    (ALL,      {"depth": None, "stage_blocks": (1, 0)}, r"stage_blocks\[1\]=0 \(nearest: 1\)"),
    (ALL,      {"stem": "cifar"},                 r"\('small', 'imagenet'\).*stem='cifar'"),
    (ALL,      {"pooling": "foo"},                r"\(None, 'avg', 'max'\).*pooling='foo'"),
    (ALL,      {"pooling": "agv", "include_top": False}, r"pooling='agv' \(nearest: avg\)"),
    (ALL,      {"pooling": "max"},                r"include_top=False.*pooling='max'"),
    (ALL,      {"classes": 0},                    r"classes=0 \(nearest: 1\)"),
    (ALL,      {"classes": 1},                    r"gives 1 for every.*'softmax' \(nearest: 'sigm"),
    (ALL,      {"classes": 1, "classifier_activation": "log_softmax"}, r"gives 0 for every"),
    (ALL,      {"classifier_activation": "sofmax"}, r"'sofmax' \(nearest: softmax"),
    (ALL,      {"classifier_activation": "glu"},  r"classifier_activation='glu'"),
    (ALL,      {"name": ""},                      r"name=''"),
    (ALL,      {"name": "a/b"},                   r"letters.*name='a/b' \(nearest: 'a_b'"),
    (ALL,      {"name": "my model"},              r"letters.*'my model' \(nearest: 'my_model'"),
    (ALL,      {"name": "_é\x1b"},                r"letters.*'_é.x1b' \(nearest: None"),
    (ALL,      {"classes": 2**31},                r"at most.*classes=2147483648 \(nearest: 21"),
    (ALL,      {"prefix": "a/b"},                 r"prefix='a/b' \(nearest: 'a_b'"),
    (ALL,      {"prefix": "_a b"},                r"begin with a letter.*\(nearest: 'a_b'"),
    (ALL,      {"activation": "rellu"},           r"activation='rellu' \(nearest: relu"),
    (ALL,      {"activation": "glu"},             r"activation='glu'"),
    # A dot matches no end of a line.
    (ALL,      {"activation": "a\nb"},            r"^.*activation='a\\nb'.*$(?!\n)"),
    (ALL,      {"normalization": "bacth"},        r"normalization='bacth' \(nearest: batch"),
    (ALL,      {"kernel_initializer": "he_norm"}, r"'he_norm' \(nearest: he_normal"),
    (ALL,      {"kernel_initializer": "identity"}, r"kernel_initializer='identity'"),
    (ALL,      {"conventions": "torch"},          r"\('paper', 'keras'\).*'torch'"),
    (ALL,      {"input_shape": (2, 2, 3)},        r"at least [345] pixels.*\(2, 2, 3\)"),
    (ALL,      {"input_shape": (32, 32)},         r"\(height, width, channels\).*\(32, 32\)"),
    (ALL,      {"input_shape": (32, 32, None)},   r"only height and width may be None"),
    (ALL,      {"input_shape": (32, 32, -3)},     r"input_shape\[2\]=-3"),
    (ALL,      {"input_shape": (3, 224, 200)},
     r"\(height, width, channels\), .*'channels_last'.*\(3, 224, 200\) \(nearest: \(224, 200, 3\)"),
    (ALL,      {"input_shape": (1, 28, 28)},      r"\(1, 28, 28\) \(nearest: \(28, 28, 1\)"),
    (ALL,      {"input_shape": (3, None, 224)},   r"\(3, None, 224\) \(nearest: \(None, 224, 3\)"),
    (ALL,      {"input_shape": (3, 4, 224)},      r"\(3, 4, 224\) \(nearest: \(4, 224, 3\)"),
    (ALL,      {"weights": "missing.keras"},      r"weights='missing.keras'"),
    (ALL,      {"weights": __file__},             r"'.safetensors'\);.*state dict"),
    (ALL,      {"weights": "imagenet"},           r"ResNet50, .*build\('resnet50'"),
    (RESIDUAL, {"variant": "v2"},                 r"\('v1', 'v1.5', 'preact'\).*variant='v2'"),
    (RESIDUAL, {"block": "bottelneck"},           r"block='bottelneck' \(nearest: bottleneck\)"),
    (RESIDUAL, {"filters": (16, 32)},             r"one width for each.*\(16, 32\)"),
    (RESIDUAL, {"filters": (16, -32, 64)},        r"filters\[1\]=-32 \(nearest: 1\)"),
    (RESIDUAL, {"variant": "v1.5", "conventions": "keras"}, r"'v1.5' \(nearest: 'v1'\)"),
    (RESNET,   {"shortcut": "D"},                 r"\('A', 'B', 'C', .*shortcut='D'"),
    (RESNET,   {"shortcut": "droput"},            r"\(nearest: dropout\)"),
    (RESNET,   {"shortcut": ""},                  r"shortcut=''"),
    (RESNET,   {"filters": (64, 32, 16)},         r"'A'.*\(64, 32, 16\) \(nearest: \(16, 32, 64"),
    (RESNET,   {"stochastic_depth_rate": 1.0},    r"\[0, 1\).*stochastic_depth_rate=1.0"),
    (DENSE,    {"growth_rate": 0},                r"growth_rate=0 \(nearest: 1\)"),
    (DENSE,    {"compression": 0},                r"\(0, 1\].*compression=0"),
    (DENSE,    {"compression": 3.0},              r"compression=3.0 \(nearest: 1.0\)"),
    (DENSE,    {"compression": 0.01},             r"at least one of 40 maps.*nearest: 0.025"),
    (DENSE,    {"compression": float("nan")},     r"compression=nan"),
    (DENSE,    {"dropout_rate": -0.1},            r"dropout_rate=-0.1"),
    (DENSE,    {"memory_efficient": True, "normalization": "group"}, r"'group' \(nearest: 'batch'"),
)
BAD_TYPES = (
    (ALL,      {"depth": 20.0},                   r"integer.*depth=20.0"),
    (ALL,      {"depth": "20"},                   r"integer.*depth='20'"),
    (ALL,      {"depth": True},                   r"integer.*depth=True"),
    (ALL,      {"depth": None, "stage_blocks": 3}, r"list or tuple.*stage_blocks=3"),
    (ALL,      {"depth": None, "stage_blocks": (1, 2.5)}, r"stage_blocks\[1\]=2.5"),
    (ALL,      {"include_top": 1},                r"True or False.*include_top=1"),
    (ALL,      {"classes": 10.0},                 r"classes=10.0"),
    (ALL,      {"name": 3},                       r"name must be a string.*name=3"),
    (ALL,      {"prefix": None},                  r"prefix must be a string.*prefix=None"),
    (ALL,      {"input_shape": 32},               r"tuple of three.*input_shape=32"),
    (ALL,      {"input_shape": (32, 32.0, 3)},    r"input_shape\[1\]=32.0"),
    (ALL,      {"input_tensor": np.ones((1, 8, 8, 3))}, r"symbolic.*ndarray"),
    (ALL,      {"weights": np.array([1, 2])},     r"weights of type ndarray"),
    (ALL,      {"weights": 3},                    r"weights of type int"),
    (RESNET,   {"stochastic_depth_rate": "a"},    r"number.*stochastic_depth_rate='a'"),
    (RESNET,   {"zero_init_residual": 1},         r"zero_init_residual=1"),
    (DENSE,    {"growth_rate": 12.0},             r"growth_rate=12.0"),
    (DENSE,    {"bottleneck": "yes"},             r"bottleneck='yes'"),
    (DENSE,    {"memory_efficient": None},        r"memory_efficient=None"),
)
# fmt: on
CASES = [
    pytest.param(builder, arguments, error, message, id=f"{builder.__name__}-{arguments}")
    for rows, error in ((BAD_VALUES, ValueError), (BAD_TYPES, TypeError))
    for builders, arguments, message in rows
    for builder in builders
]


@contextlib.contextmanager
def counted_layers():
    """Lists the layers that are made meanwhile."""
    new_layers = []
    make = keras.layers.Layer.__init__

    def count(layer, *arguments, **keywords):
        new_layers.append(layer)
        return make(layer, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.layers.Layer, "__init__", count)
        yield new_layers


def smallest(builder):
    return {"depth": 10 if builder is build_densenet else 8}


@pytest.mark.parametrize(("builder", "arguments", "error", "message"), CASES)
def test_refused_before_a_layer_is_made(builder, arguments, error, message):
    with counted_layers() as new_layers, pytest.raises(error, match=message):
        builder(**(smallest(builder) | arguments))
    assert not new_layers


@pytest.mark.parametrize("activation", ["sigmoid", "relu", None, lambda x: x * 3])
def test_one_class_takes_what_depends_on_the_number(activation):
    check_one_class(activation)
    model = build_plain(**TINY, classes=1, classifier_activation=activation)
    model.get_layer("predictions").set_weights([np.ones((2, 1)), np.zeros(1)])
    images = np.random.default_rng(0).normal(size=(8, 32, 32, 3))
    assert len(np.unique(keras.ops.convert_to_numpy(model(images)))) > 1


@pytest.mark.parametrize("shape", [(4, 4, 8), (3, 3, 64), (1, 2, 3), (8, None, 3), (3, None, 4)])
def test_narrow_images_are_not_taken_for_the_other_order(shape):
    check_order(shape)
    assert build_plain(**TINY, input_shape=shape).input_shape == (None, *shape)


def test_layers_are_counted():
    with counted_layers() as new_layers:
        model = build_plain(8)
    assert len(new_layers) == len([*model.layers, model])


@pytest.mark.parametrize("builder", ALL)
def test_input_tensors_that_do_not_fit(builder):
    integers = keras.Input((8, 8, 3), dtype="int32")
    with pytest.raises(TypeError, match="dtype=int32"):
        builder(**smallest(builder), input_tensor=integers)
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="agree"):
        builder(**smallest(builder), input_tensor=images, input_shape=(9, 9, 3))
    with pytest.raises(ValueError, match="at least"):
        builder(**smallest(builder), input_tensor=keras.Input((2, 2, 3)))
    assert builder(**smallest(builder), input_tensor=images, input_shape=(8, 8, 3))


@pytest.mark.parametrize("builder", ALL)
def test_numpy_integers_are_integers(builder):
    depth = np.int64(smallest(builder)["depth"])
    assert builder(depth, classes=np.int32(3)).output_shape == (None, 3)


def test_numpy_integers_of_imagenet():
    options = {"include_top": False, "kernel_initializer": "zeros"}
    model = build_resnet(np.int64(18), stem="imagenet", **options)
    assert model.name == "resnet18"
    assert model.output_shape[-1] == 512


TINY = {"stage_blocks": (1,), "filters": (2,)}


def test_one_class_with_an_activation_of_single_numbers():
    for activation in "sigmoid", None:
        model = build_plain(**TINY, classes=1, classifier_activation=activation)
        assert model.output_shape == (None, 1)
    assert build_plain(**TINY, classes=1, include_top=False)


def test_pictures_in_the_other_order_of_channels():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"'channels_first'.*\(nearest: \(3, 28, 32\)\)"):
            build_plain(**TINY, input_shape=(28, 32, 3))
        assert build_plain(**TINY, input_shape=(3, 28, 32)).input_shape == (None, 3, 28, 32)
    finally:
        keras.config.set_image_data_format("channels_last")
    # Small maps of many channels, and an image that is as narrow as a picture has channels.
    assert build_plain(**TINY, input_shape=(4, 4, 64)).input_shape == (None, 4, 4, 64)
    rows = keras.Input((3, 100, 16))
    assert build_plain(**TINY, input_tensor=rows).input_shape == (None, 3, 100, 16)


def test_imagenet_weights_of_another_size_are_refused():
    resnet50 = {"depth": 50, "stem": "imagenet", "conventions": "keras", "weights": "imagenet"}
    with counted_layers() as new_layers:
        with pytest.raises(ValueError, match=r"classes=10 \(nearest: 1000\)"):
            build_resnet(**resnet50, classes=10)
        with pytest.raises(ValueError, match=r"need 3 channels\. Received: 1"):
            build_resnet(**resnet50, input_shape=(224, 224, 1))
        with pytest.raises(ValueError, match="ResNet50, ResNet101"):
            build_resnet(**resnet50, activation="tanh")
        with pytest.raises(ValueError, match="ResNet50, ResNet101"):
            build_plain(**resnet50)
    assert not new_layers


# Right, wrong and odd values of each argument; most combinations have something wrong.
SHARED = {
    "depth": [8, 10, 7, 11, 57, 0, None, "8", 8.0, 18],
    "stem": ["small", "small", "imagenet", "cifar"],
    "stage_blocks": [None, None, (1, 1), [2, 1], (1,), (), (0, 1), 3],
    "input_shape": [None, (8, 8, 1), (3, 5, 2), (None, None, 3), (33, 29, 1), (1, 1, 1), (8, 8)],
    "classes": [None, 1, 2, 7, 0, 2.5],
    "include_top": [True, False, None],
    "pooling": [None, None, "avg", "max", "median"],
    "classifier_activation": ["softmax", None, "sigmoid", "foo", "glu"],
    "activation": ["relu", "tanh", None, "glu", "foo"],
    "normalization": ["batch", "group", "layer", None, "instance"],
    "kernel_initializer": [None, "zeros", keras.initializers.HeNormal(1), "identity"],
    "conventions": ["paper", "keras", "torch"],
    "weights": [None, None, None, "imagenet", "missing.keras"],
    "name": [None, "mine", "", "a/b"],
    "prefix": ["", "left_", "a/b"],
}
OWN = {
    build_plain: {
        "variant": ["v1", "v1.5", "preact", "v3"],
        "block": [None, "basic", "bottleneck", "wide"],
        "filters": [None, None, (2, 4, 6), (2, 4), (4, 2), (3,), (0, 1, 2), 16],
    },
    build_densenet: {
        "growth_rate": [None, 1, 3, 0, 2.5],
        "bottleneck": [None, True, False, "yes"],
        "compression": [None, 1, 0.5, 0.001, 0, 2],
        "dropout_rate": [0.0, 0.2, 1.0, -1],
        "memory_efficient": [False, True, 1],
    },
}
OWN[build_resnet] = OWN[build_plain] | {
    "shortcut": [None, "A", "B", "C", "dropout", "exclusive_gating", "D"],
    "stochastic_depth_rate": [0.0, 0.5, 1.0, "0.5"],
    "zero_init_residual": [False, True, 1],
}


@st.composite
def calls(draw):
    """A builder with valid arguments, up to four of them replaced by arbitrary ones."""
    builder = draw(st.sampled_from(ALL))
    choices = SHARED | OWN[builder]
    names = draw(st.lists(st.sampled_from(sorted(choices)), max_size=4, unique=True))
    chosen = {name: draw(st.sampled_from(choices[name])) for name in names}
    if chosen.get("stage_blocks") is not None:
        chosen.setdefault("depth", None)
    return builder, smallest(builder) | {"input_shape": (9, 9, 3)} | chosen


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(calls())
def test_any_arguments_build_a_network_or_are_refused_before_a_layer_is_made(call):
    builder, arguments = call
    with counted_layers() as new_layers:
        try:
            model, refusal = builder(**arguments), ""
        except (TypeError, ValueError) as error:
            model, refusal = None, str(error)
    if model is None:
        assert not new_layers, refusal
        assert "Received: " in refusal
        return
    images = np.zeros((2, *(side or 33 for side in model.input_shape[1:])), "float32")
    outputs = model(images)
    flat = arguments.get("include_top", True) or arguments.get("pooling")
    assert len(outputs.shape) == (2 if flat else 4)
    assert outputs.shape[-1] == model.output_shape[-1]
    assert np.isfinite(keras.ops.convert_to_numpy(outputs)).all()
