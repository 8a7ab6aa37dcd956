"""Anatomy of models: costs, depths, stages and blocks, the table, and the maps of the stages."""

from functools import cache, partial

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers, ops

from keraskip import build_densenet, build_plain, build_resnet
from keraskip.models.anatomy import anatomy
from keraskip.models.features import features

dense_bc = partial(build_densenet, bottleneck=True, compression=0.5)


@cache
def application(name):
    return getattr(keras.applications, name)(weights=None)


# fmt: off
MACS = (
    # network                       millions  depth
    (build_plain,  (20,),             40.551,    20),
    (build_resnet, (20, "v1", "A"),   40.551,    20),
    (build_resnet, (20, "v1", "B"),   40.813,    20),
    (build_resnet, (56, "v1", "A"),  125.486,    56),
    (build_resnet, (56, "v1", "B"),  125.748,    56),
    (dense_bc,     (100, 12),        287.930,   100),
)

# Twenty layers show the same, and a DenseNet-BC-100 takes seconds to build.
DEEP = ((56, "v1", "A"), (56, "v1", "B"), (100, 12))

# torchvision's table, but ResNet-50 with the strides of He et al. 2015, for which it has 4.089.
APPLICATIONS = (
    # name           billions  depth
    ("ResNet50",       3.858,    50),
    ("DenseNet121",    2.834,   121),
)

ONES = {"kernel_initializer": "ones"}
DEPTHWISE_ONES = {"depthwise_initializer": "ones"}
LINEAR = (
    # images      layer
    ((7,),        layers.Dense(4, **ONES)),
    ((5, 7),      layers.Dense(4, **ONES)),
    ((2, 5, 7),   layers.Dense(4, use_bias=False, **ONES)),
    ((9, 2),      layers.Conv1D(3, 4, **ONES)),
    ((9, 2),      layers.Conv1D(3, 2, dilation_rate=3, **ONES)),
    ((8, 9, 2),   layers.Conv2D(3, (3, 2), **ONES)),
    ((8, 9, 2),   layers.Conv2D(3, 3, strides=(2, 1), **ONES)),
    ((8, 9, 2),   layers.Conv2D(3, 3, dilation_rate=2, **ONES)),
    ((8, 9, 4),   layers.Conv2D(6, 3, groups=2, **ONES)),
    ((4, 5, 6, 2), layers.Conv3D(3, 2, **ONES)),
    ((9, 2),      layers.DepthwiseConv1D(3, depth_multiplier=2, **DEPTHWISE_ONES)),
    ((8, 9, 2),   layers.DepthwiseConv2D(3, depth_multiplier=3, **DEPTHWISE_ONES)),
    ((9, 2),      layers.Conv1DTranspose(3, 3, strides=2, **ONES)),
    ((4, 5, 2),   layers.Conv2DTranspose(3, 3, strides=2, **ONES)),
    ((2, 3, 4, 2), layers.Conv3DTranspose(3, 2, **ONES)),
)

STAGES = (
    # network                                                      stage: its blocks
    (lambda: build_plain(8),              {0: [0], 1: [1], 2: [1], 3: [1]}),
    (lambda: build_plain(8, "preact"),    {0: [0], 1: [1], 2: [1], 3: [1]}),
    (lambda: build_resnet(8, "v1", "A"),  {0: [0], 1: [1], 2: [1], 3: [1]}),
    (lambda: build_resnet(14, "v1", "B"), {0: [0], 1: [1, 2], 2: [1, 2], 3: [1, 2]}),
    (lambda: build_densenet(7),           {0: [0], 1: [1], 2: [0, 1], 3: [0, 1]}),
    (lambda: build_densenet(10),          {0: [0], 1: [1, 2], 2: [0, 1, 2], 3: [0, 1, 2]}),
    (lambda: application("ResNet50"),
     {0: [1], 1: [1], 2: [1, 2, 3], 3: [1, 2, 3, 4], 4: [1, 2, 3, 4, 5, 6], 5: [1, 2, 3]}),
)

ENDS = (
    # network                              last layers of the stages 1 to n
    (lambda: build_plain(8),               "stage{}_block1_act2",  3),
    (lambda: build_plain(8, "preact"),     "stage{}_block1_conv2", 3),
    (lambda: build_resnet(8),              "stage{}_block1_act2",  3),
    (lambda: build_resnet(14, "preact"),   "stage{}_block2_add",   3),
    (lambda: build_resnet(8, "preact", normalization=None), "stage{}_block1_add", 3),
    (lambda: build_densenet(10),           "block{}_layer2_concat", 3),
)
# fmt: on


def inputs_and(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def sum_of_outputs(model):
    images = np.ones((1, *model.input_shape[1:]), "float32")
    return round(float(ops.convert_to_numpy(model(images)).sum()))


def row(model, layer):
    return anatomy(model).frame.set_index("layer").loc[layer]


def blocks_of_stages(model):
    frame = anatomy(model).frame.dropna(subset="stage")
    return {int(stage): sorted(set(blocks)) for stage, blocks in frame.groupby("stage")["block"]}


def small_net(data_format="channels_last", shape=(16, 16, 3)):
    """Two stages by strides, blocks that end with a merge, squeeze and excitation, a head."""
    conv = partial(layers.Conv2D, padding="same", data_format=data_format)
    squeezed = (1, 1, 8) if data_format == "channels_last" else (8, 1, 1)
    inputs = keras.Input(shape)
    x = conv(8, 3, strides=2, name="entry")(inputs)
    y = conv(8, 3, name="first")(x)
    gate = layers.GlobalAveragePooling2D(data_format=data_format, name="squeeze")(y)
    gate = layers.Dense(8, activation="sigmoid", name="excite")(gate)
    y = layers.Multiply(name="scale")([y, layers.Reshape(squeezed)(gate)])
    x = ops.relu(layers.Add(name="sum")([x, y]))
    x = layers.Add(name="sum2")([x, conv(8, 1, groups=4, name="second")(x)])
    y = conv(8, 3, strides=2, name="third")(layers.ReLU(name="before_third")(x))
    x = layers.MaxPooling2D(2, data_format=data_format, name="halve")(x)
    x = layers.Concatenate(axis=3 if squeezed[0] == 1 else 1, name="joined")([x, y])
    x = layers.GlobalAveragePooling2D(data_format=data_format, name="average")(x)
    return keras.Model(inputs, layers.Dense(5, name="classes")(layers.Dropout(0.5)(x)))


@pytest.mark.parametrize(
    ("build", "arguments", "millions", "depth"),
    [pytest.param(*row, marks=pytest.mark.slow if row[1] in DEEP else ()) for row in MACS],
)
def test_published_macs_and_depths(build, arguments, millions, depth):
    # The values of kernels do not matter, and random ones take long to make.
    found = anatomy(build(*arguments, kernel_initializer="zeros"))
    assert round(found.macs / 1e6, 3) == millions
    assert found.depth == depth


# The other is slow to build, and DenseNet-BC-100 has the same layers.
@pytest.mark.parametrize(
    ("name", "billions", "depth"),
    [APPLICATIONS[0], pytest.param(*APPLICATIONS[1], marks=pytest.mark.slow)],
)
def test_macs_and_depths_of_applications(name, billions, depth):
    model = application(name)
    found = anatomy(model)
    assert round(found.macs / 1e9, 3) == billions
    assert found.depth == depth
    assert found.parameters == model.count_params()


@pytest.mark.parametrize(("shape", "layer"), LINEAR)
def test_macs_are_what_a_pass_of_ones_sums_up(shape, layer):
    # Without padding, an output of ones times ones is the number of its products.
    model = inputs_and(layer, shape)
    assert anatomy(model).macs == sum_of_outputs(model)


def test_macs_of_a_separable_convolution_are_those_of_its_two_steps():
    layer = layers.SeparableConv2D(3, 3, depth_multiplier=2, use_bias=False)
    model = inputs_and(layer, (8, 9, 2))
    summing = np.zeros((1, 1, 4, 3))
    summing[..., 0] = 1
    layer.set_weights([np.ones((3, 3, 2, 2)), summing])
    depthwise = sum_of_outputs(model)
    layer.set_weights([np.ones((3, 3, 2, 2)) / 9, np.ones((1, 1, 4, 3))])
    assert anatomy(model).macs == depthwise + sum_of_outputs(model)


def test_zeros_of_padding_count():
    assert anatomy(inputs_and(layers.Conv2D(2, 3, padding="same"), (5, 4, 3))).macs == 20 * 27 * 2


def test_a_shared_layer_costs_with_each_call_and_weighs_once():
    shared, inputs = layers.Dense(4, name="shared"), keras.Input((4,))
    model = keras.Model(inputs, shared(shared(inputs)))
    found = row(model, "shared")
    assert (found["macs"], found["parameters"], found["depth"]) == (32, 20, 1)
    assert found["activation_bytes"] == 2 * 4 * 4
    assert len(anatomy(model).frame) == 2


def test_weights_of_a_layer_in_two_wrappers_count_once():
    inner, inputs = layers.Dense(4), keras.Input((3, 4))
    model = keras.Model(inputs, layers.TimeDistributed(inner)(inner(inputs)))
    assert anatomy(model).parameters == model.count_params() == 20


def test_layers_of_nested_models_stand_in_their_place():
    nested = keras.Sequential([keras.Input((None, 4)), layers.Dense(4, name="inner")], name="twice")
    inputs = keras.Input((3, 4))
    model = keras.Model(inputs, layers.Dense(2, name="outer")(nested(nested(inputs))))
    found = anatomy(model)
    assert list(found.frame["layer"])[1:] == ["twice/inner", "outer"]
    assert list(found.frame["depth"]) == [0, 1, 3]
    assert list(found.frame["macs"]) == [0, 2 * 3 * 16, 3 * 8]
    assert found.parameters == model.count_params()


def test_a_nested_network_keeps_its_stages():
    inputs = keras.Input((32, 32, 3))
    backbone = build_resnet(8)
    x = backbone(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="mine")(x))
    assert blocks_of_stages(model) == blocks_of_stages(backbone)
    assert pd.isna(row(model, "mine")["stage"])
    with pytest.raises(ValueError, match=r"features of 'resnet8'.*'resnet8/stage2_block1_act2'"):
        features(model, [2])


@pytest.mark.parametrize(
    ("layer", "depth"), [(layers.LSTM(3), 2), (layers.MultiHeadAttention(2, 3), 3)]
)
def test_unknown_costs_are_missing_not_zero(layer, depth):
    inputs = keras.Input((5, 4))
    x = layer(inputs, inputs) if isinstance(layer, layers.MultiHeadAttention) else layer(inputs)
    found = anatomy(keras.Model(inputs, layers.Dense(2)(x)))
    assert found.macs is None
    assert list(found.frame["macs"].isna()) == [False, True, False]
    assert found.depth == depth
    *lines, note = found.table().splitlines()
    assert note == f"The MACs of {type(layer).__name__} are not known."
    assert sum("?" in line for line in lines) == 2


@pytest.mark.parametrize("layer", [layers.PReLU(), layers.LayerNormalization(axis=[1, 2])])
def test_scaling_elements_has_no_macs(layer):
    found = anatomy(inputs_and(layer, (3, 4)))
    assert (found.macs, found.depth) == (0, 0)
    assert found.parameters > 0


def test_sizes_of_a_small_layer():
    layer = layers.BatchNormalization(dtype="mixed_bfloat16", name="norm")
    found = row(inputs_and(layer, (3, 5, 7)), "norm")
    assert found["type"] == "BatchNormalization"
    assert found["output_shape"] == (3, 5, 7)
    assert (found["parameters"], found["trainable"]) == (28, 14)
    assert found["activation_bytes"] == 3 * 5 * 7 * 2
    layer.trainable = False
    assert row(inputs_and(layer, (3, 5, 7)), "norm")["trainable"] == 0


def test_inputs_have_the_size_of_their_type():
    inputs = keras.Input((6, 5), dtype="uint8", name="pixels")
    model = keras.Model(inputs, layers.Rescaling(2.0)(inputs))
    assert row(model, "pixels")["activation_bytes"] == 30
    assert anatomy(model).activation_bytes == 30 + 120


def test_totals_and_order_of_the_frame():
    model = build_resnet(8, "v1", "B")
    found = anatomy(model)
    assert list(found.frame["layer"]) == [layer.name for layer in model.layers]
    assert found.parameters == model.count_params()
    assert found.trainable == sum(np.prod(weight.shape) for weight in model.trainable_weights)
    for layer, shape in zip(model.layers, found.frame["output_shape"], strict=True):
        assert shape == tuple(layer.output.shape[1:])


def test_roles():
    frame = anatomy(build_resnet(8, "v1", "B")).frame
    roles = frame.loc[(frame["stage"] == 2) & (frame["block"] == 1)].set_index("layer")["role"]
    assert roles.rename(lambda name: name.removeprefix("stage2_block1_")).to_dict() == {
        "conv1_pad": "pad", "conv1": "conv", "norm1": "norm", "act1": "activation",
        "conv2": "conv", "norm2": "norm", "add": "merge", "act2": "activation",
        "shortcut_conv": "shortcut", "shortcut_norm": "shortcut",
    }  # fmt: skip
    others = frame.loc[frame["stage"].isna() | (frame["depth"] == 0)]
    assert list(others["role"]) == ["input", "pool", "dense"]
    assert row(small_net(), "scale")["role"] == "other"
    assert row(small_net(), "before_third")["role"] == "activation"


@pytest.mark.parametrize(("build", "blocks"), STAGES)
def test_blocks_of_each_stage(build, blocks):
    assert blocks_of_stages(build()) == blocks


def test_depth_counts_along_the_longest_way():
    depths = anatomy(build_resnet(8, "v1", "B")).frame.set_index("layer")["depth"]
    assert depths["stem_conv"] == 1
    assert depths["stage2_block1_shortcut_conv"] == 4
    assert depths["stage2_block1_conv2"] == depths["stage2_block1_add"] == 5
    assert depths["predictions"] == 8


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_strides_and_merges_make_stages_and_blocks(data_format):
    shape = (16, 16, 3) if data_format == "channels_last" else (3, 16, 16)
    model = small_net(data_format, shape)
    frame = anatomy(model).frame
    assert tuple(frame.set_index("type").loc["Relu", ["stage", "block"]]) == (1, 1)
    frame = frame.set_index("layer")
    places = {
        "entry": (1, 1), "squeeze": (1, 1), "scale": (1, 1), "sum": (1, 1),
        "second": (1, 2), "sum2": (1, 2), "before_third": (1, 2),
        "halve": (2, 1), "third": (2, 1), "joined": (2, 1),
    }  # fmt: skip
    for name, place in places.items():
        assert tuple(frame.loc[name, ["stage", "block"]]) == place, name
    assert frame.loc[["average", "classes"], "stage"].isna().all()
    assert anatomy(model).macs == 64 * (27 * 8 + 72 * 8 + 2 * 8) + 64 + 16 * 72 * 8 + 16 * 5
    for found, name in zip(features(model).outputs, ["sum2", "joined"], strict=True):
        assert found is model.get_layer(name).output


def test_only_strides_that_make_maps_smaller_begin_a_stage():
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2DTranspose(2, 2, strides=2, name="up")(inputs)
    x = layers.Conv2D(2, 3, name="same")(ops.max_pool(x, 2))
    model = keras.Model(inputs, layers.ZeroPadding2D(1)(x))
    assert row(model, "up")["stage"] == 0
    assert row(model, "same")["stage"] == 1
    assert features(model).outputs[0] is model.get_layer("same").output


def test_layers_put_on_our_networks_belong_to_no_stage():
    body = build_plain(8, "preact")
    last = body.get_layer("stage3_block1_conv2").output
    model = keras.Model(body.inputs, layers.Conv2DTranspose(1, 2, strides=2, name="mask")(last))
    assert pd.isna(row(model, "mask")["stage"])
    assert features(model, [3]).outputs[0] is last


def test_without_spatial_axes_all_is_stage_0():
    inputs = keras.Input((4,))
    x = layers.Add()([inputs, layers.Dense(4)(inputs)])
    model = keras.Model(inputs, layers.Dense(2)(x))
    assert blocks_of_stages(model) == {0: [1, 2]}
    with pytest.raises(ValueError, match=r"some of \[0\].*stages=\[\]"):
        features(model)


@pytest.mark.parametrize(("build", "name", "count"), ENDS)
def test_features_are_the_last_layers_of_the_stages(build, name, count):
    model = build()
    expected = [model.get_layer(name.format(stage)).output for stage in range(1, count + 1)]
    for found, output in zip(features(model).outputs, expected, strict=True):
        assert found is output


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        (
            "ResNet50",
            {1: "conv1_relu", 2: "conv2_block3_out", 3: "conv3_block4_out", 4: "conv4_block6_out"},
        ),
        pytest.param(
            "DenseNet121",
            {5: "conv5_block16_concat", 2: "conv2_block6_concat"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_features_of_applications(name, ends):
    model = application(name)
    for found, end in zip(features(model, list(ends)).outputs, ends.values(), strict=True):
        assert found is model.get_layer(end).output


def test_features_share_weights_and_give_the_maps():
    model = build_resnet(8, input_shape=(8, 8, 1))
    maps = features(model, [3, 1])
    assert {id(weight) for weight in maps.weights} <= {id(weight) for weight in model.weights}
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    last, first = map(ops.convert_to_numpy, maps(images))
    assert (first.shape, last.shape) == ((2, 8, 8, 16), (2, 2, 2, 64))
    head = keras.Model(model.get_layer("stage3_block1_act2").output, model.output)
    found, expected = (ops.convert_to_numpy(answers) for answers in (head(last), model(images)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_features_need_no_size_of_images():
    maps = features(build_densenet(7, input_shape=(None, None, 3)))
    assert [output.shape[-1] for output in maps.outputs] == [28, 40, 52]


def test_an_unknown_stage_is_refused():
    with pytest.raises(ValueError, match=r"some of \[0, 1, 2, 3\].*'resnet8'.*stages=\[1, 4\]"):
        features(build_resnet(8), [1, 4])


def test_open_sizes_need_an_input_shape():
    model = build_resnet(8, "v1", "A", input_shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"such as \(224, 224, 3\).*'images'.*\(None, None, 3\)"):
        anatomy(model)
    assert anatomy(model, (32, 32, 3)).frame.equals(anatomy(build_resnet(8, "v1", "A")).frame)


@pytest.mark.parametrize("input_shape", [(32, 32), (32, 32, 1), (16, 32, 3)])
def test_an_input_shape_that_does_not_fit_is_refused(input_shape):
    model = build_resnet(8, input_shape=(32, None, 3))
    with pytest.raises(ValueError, match=rf"input_shape=\({input_shape[0]}, .*\(32, None, 3\)"):
        anatomy(model, input_shape)


@pytest.mark.parametrize("analyse", [anatomy, features])
def test_models_without_a_graph_are_refused(analyse):
    class Subclassed(keras.Model):
        pass

    with pytest.raises(TypeError, match=r"class Subclassed.*model.call\(inputs\)"):
        analyse(Subclassed())
    with pytest.raises(TypeError, match=r"class Sequential.*model.build\(shape\)"):
        analyse(keras.Sequential([layers.Dense(2)]))


def test_the_model_does_not_notice():
    model = build_resnet(8)
    before = [len(layer._inbound_nodes) for layer in model.layers]
    anatomy(model)
    features(model)
    assert [len(layer._inbound_nodes) for layer in model.layers] == before


def test_printed_table():
    model = keras.Sequential(
        [
            keras.Input((100, 100, 3), name="images"),
            layers.Conv2D(10, 1, name="wide"),
            layers.MaxPooling2D(10, name="narrow"),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="classes"),
        ],
        name="small",
    )
    assert str(anatomy(model)).splitlines() == [
        "small",
        "stage   block   depth       output   params       MACs      bytes",
        "─────────────────────────────────────────────────────────────────",
        "0       1           1   100x100x10       40   300.00 k   520.00 k",
        "1       1           1     10x10x10        0          0     4.00 k",
        "head                2            2   2.00 k     2.00 k     4.01 k",
        "─────────────────────────────────────────────────────────────────",
        "total               2                2.04 k   302.00 k   528.01 k",
    ]


@pytest.mark.parametrize("by", ["stage", "block", "layer"])
def test_tables_are_aligned_and_narrow(by):
    found = anatomy(build_resnet(8, "v1", "A", input_shape=(224, 224, 3)))
    title, *lines = found.table(by).splitlines()
    assert title == "resnet8"
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 100
    rows = {"stage": 5, "block": 5, "layer": len(found.frame)}
    assert len(lines) == rows[by] + 4


def test_long_names_are_printed_in_full():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="long_name_" * 9)])
    lines = anatomy(model).table("layer").splitlines()[1:]
    assert max(map(len, lines)) <= 100
    assert "".join(line.split()[0] for line in lines[3:-2]).startswith("long_name_" * 9)


def test_an_unknown_kind_of_row_is_refused():
    with pytest.raises(ValueError, match=r"\('stage', 'block', 'layer'\).*by='type'"):
        anatomy(build_plain(8)).table("type")


def test_notebooks_show_the_frame():
    html = anatomy(build_plain(8))._repr_html_()
    assert html.startswith("<table")
    assert "stage3_block1_conv2" in html
