"""The gate refuses an artefact that is not the model, and lets rounding pass."""

import keras
import numpy as np
import pytest
from keras import layers

import keraskip
from keraskip import Artefact, ExportError
from keraskip.export.artefact.differences import mean_difference
from keraskip.export.artefact.gate import compare, judged, reference_of
from keraskip.export.formats import process, savedmodel
from keraskip.export.network.contract import contract_of

tf = pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the process that writes would have to know the classes of this file",
)


@keras.saving.register_keras_serializable("tests")
class Dropout(layers.Dropout):
    """Drops while it serves, too, if it is told to."""

    def __init__(self, rate, always=False, **options):
        super().__init__(rate, **options)
        self.always = always

    def call(self, x, training=None):
        return super().call(x, training=training or self.always)


def network(epsilon=1e-3, rate=0.0, always=False, groups=2, activation="relu", pool="average",
            padding="same", slope=0.2, order=(0, 1), pixels=1.0, momentum=0.9):  # fmt: skip
    """Every kind of layer that the mutations below change."""
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(pixels)(image)
    x = layers.Conv2D(8, 3, padding=padding, name="conv")(x)
    x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name="norm")(x)
    x = layers.Activation(activation)(x)
    x = layers.GroupNormalization(groups, name="group_norm")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.LeakyReLU(slope)(x)
    x = Dropout(rate, always=always)(x)
    pooled = {"average": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}[pool]()(x)
    heads = [layers.Dense(4, name=name)(pooled) for name in ("left", "right")]
    model = keras.Model(image, {name: heads[at] for name, at in zip("ab", order, strict=True)})
    random = np.random.default_rng(0)
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        sizes = [weight.shape for weight in layer.get_weights()]
        # Of the same size whatever layers there are; a normalisation divides by positive ones.
        low, high = (0.5, 1.5) if "norm" in layer.name else (-0.5, 0.5)
        layer.set_weights([random.uniform(low, high, size) for size in sizes])
    return model


def changed(layer, number, change):
    """The network with one of its weights changed."""

    def make():
        model = network()
        weights = model.get_layer(layer).get_weights()
        weights[number] = change(weights[number])
        model.get_layer(layer).set_weights(weights)
        return model

    return make


def bumped(weight, by):
    weight = weight.copy()
    weight.flat[np.abs(weight).argmax()] *= 1 + by
    return weight


def bfloat16(weight):
    return np.asarray(tf.cast(tf.cast(weight, tf.bfloat16), tf.float32))


def swapped(weight):
    return weight[..., ::-1]


def transposed(kernel):
    return kernel.transpose(1, 0, 2, 3)


# A wrong artefact, made of a wrong network, each by the mistake that it stands for.
MUTANTS = {
    "one weight off by 1 %": changed("conv", 0, lambda w: bumped(w, 0.01)),
    "one weight of a head off by 1 %": changed("left", 0, lambda w: bumped(w, 0.01)),
    "one weight lost": changed("depthwise", 0, lambda w: bumped(w, -1)),
    "a bias forgotten": changed("norm", 1, np.zeros_like),
    "a scale forgotten": changed("norm", 0, np.ones_like),
    "a bias off by 0.001": changed("right", 1, lambda w: w + 0.001),
    "kernels in bfloat16": changed("conv", 0, bfloat16),
    "kernels of 8 bits": changed("conv", 0, lambda w: np.round(w * 127) / 127),
    "a transposed kernel": changed("conv", 0, transposed),
    "a mirrored kernel": changed("conv", 0, lambda w: w[::-1]),
    "the channels in another order": changed("conv", 0, lambda w: w[:, :, ::-1]),
    "the classes in another order": changed("left", 0, swapped),
    "a variance taken for a deviation": changed("norm", 3, np.sqrt),
    "statistics never loaded": changed("norm", 2, np.zeros_like),
    "swapped outputs": lambda: network(order=(1, 0)),
    "one output twice": lambda: network(order=(0, 0)),
    "a wrong epsilon": lambda: network(epsilon=1e-2),
    "dropout while it serves": lambda: network(rate=0.1, always=True),
    "other groups": lambda: network(groups=4),
    "another activation": lambda: network(activation="relu6"),
    "another slope": lambda: network(slope=0.19),
    "another pooling": lambda: network(pool="max"),
    "another padding": lambda: network(padding="valid"),
    "preprocessing forgotten": lambda: network(pixels=1 / 255),
    "other images": lambda: network(pixels=1.001),
}
QUICK = ("one weight off by 1 %", "swapped outputs", "a wrong epsilon", "dropout while it serves")


@pytest.fixture(scope="module")
def reference():
    return reference_of(network(), contract_of(network()), None)


def written(model, path):
    options = savedmodel.Signatures()
    return process.written("savedmodel", model, path, contract_of(model), options)


@pytest.mark.parametrize(
    "mistake",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MUTANTS],
)
def test_a_wrong_artefact_is_refused(tmp_path, reference, mistake):
    run = written(MUTANTS[mistake](), tmp_path)
    # The wider tolerance: folded normalisation rounds in another order.
    with pytest.raises(ExportError, match="must give what the model gives"):
        judged("savedmodel", run, reference, None, folded=True)


def test_small_numbers_are_no_excuse(tmp_path):
    """Outputs of a thousandth are compared with a thousandth, not with 1."""
    models = []
    for factor in 1e-3, 1.01e-3:
        x = keras.Input((8,), name="x")
        dense = layers.Dense(4, kernel_initializer=keras.initializers.Constant(factor), name="out")
        models.append(keras.Model(x, dense(x)))
    right, wrong = models
    reference = reference_of(right, contract_of(right), None)
    with pytest.raises(ExportError, match=r"a difference of 0\.01 "):
        judged("savedmodel", written(wrong, tmp_path), reference, None, folded=True)


def test_the_right_artefact_passes(tmp_path, reference):
    found = judged("savedmodel", written(network(), tmp_path), reference, None, folded=False)
    assert max(found.differences.values()) <= 1e-5


def normalized_in_groups(size, groups):
    keras.utils.set_random_seed(0)
    x = image = keras.Input((size, size, 3))
    for _ in range(2):
        x = layers.GroupNormalization(groups)(layers.Conv2D(8, 3, padding="same")(x))
    return keras.Model(image, layers.Dense(3, name="out")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(
    ("size", "groups"),
    [
        pytest.param(size, groups, marks=() if (size, groups) == (64, 2) else pytest.mark.slow)
        for size in (8, 32, 64, 128)
        for groups in (1, 2, 4, 8)
    ],
)
def test_group_normalisation_of_any_size_passes(tmp_path, size, groups):
    """It divides by the deviation of a constant image, which is nothing but rounding."""
    model = normalized_in_groups(size, groups)
    for export in keraskip.export_savedmodel, keraskip.export_onnx:
        if export is keraskip.export_onnx:
            pytest.importorskip("onnxruntime")
        artefact = Artefact(export(model, tmp_path / export.__name__))
        for count in 1, 3, 32:
            x = np.random.default_rng(count).normal(size=(count, size, size, 3)).astype("float32")
            np.testing.assert_allclose(artefact(x)["out"], model.predict(x, verbose=0), atol=1e-4)


class Sharp(layers.Layer):
    """Loses the last digits of what it gets, as a badly scaled network does."""

    def __init__(self, by=500.0, **options):
        super().__init__(**options)
        self.by = by

    def call(self, x):
        return (x + self.by) - self.by * keras.ops.ones_like(x)


def test_rounding_widens_the_tolerance_and_no_more():
    """A model of four digits is judged to four digits; an error in the third is refused."""
    image = keras.Input((8,), name="x")
    model = keras.Model(image, Sharp()(layers.Dense(4, name="out")(image)))
    reference = reference_of(model, contract_of(model), None)
    (name,) = [each.name for each in reference.contract.outputs]
    rounding = reference.rounding["noise"][name]
    assert 5e-6 < rounding < 3e-5

    def off_by(difference):
        return lambda batch: {name: model.predict(batch["x"], verbose=0) + difference}

    found = judged("savedmodel", off_by(10 * rounding), reference, None, folded=False)
    assert found.rounding["noise"] == rounding
    with pytest.raises(ExportError, match="samples of kind 'noise'"):
        judged("savedmodel", off_by(200 * rounding), reference, None, folded=False)


@pytest.mark.parametrize("wrong", ["sharp", "healthy"])
def test_one_output_of_few_digits_does_not_excuse_an_error_of_1_percent(wrong):
    """Neither of its own, which the cap refuses, nor of another output."""
    image = keras.Input((8,), name="x")
    heads = {name: layers.Dense(4, name=name)(image) for name in ("healthy", "sharp")}
    model = keras.Model(image, {**heads, "sharp": Sharp(1e4, name="cancelling")(heads["sharp"])})
    reference = reference_of(model, contract_of(model), None)
    assert reference.rounding["noise"]["healthy"] < 1e-5 < reference.rounding["noise"]["sharp"]

    def run(batch):
        outputs = {name: np.array(value) for name, value in model(batch["x"]).items()}
        return outputs | {wrong: 1.01 * outputs[wrong]}

    with pytest.raises(ExportError, match="must give what the model gives"):
        judged("savedmodel", run, reference, None, folded=False)


@pytest.mark.filterwarnings(r"ignore:[\s\S]*tf\.lite:UserWarning", "ignore::DeprecationWarning")
def test_a_network_of_whole_numbers_is_compared_on_samples_in_its_range(tmp_path):
    """It cuts off what lies outside of the range of its representative samples."""
    pytest.importorskip("ai_edge_litert")
    x = keras.Input((8,), name="x")
    dense = layers.Dense(4, kernel_initializer=keras.initializers.Constant(0.5), name="out")
    model = keras.Model(x, dense(x))
    samples = np.random.default_rng(0).uniform(0, 0.1, (100, 8)).astype("float32")
    path = keraskip.export_litert(
        model, tmp_path / "out", quantization="int8", representative=samples
    )
    with pytest.raises(ExportError, match=r"'noise'\. An artefact in int8 knows the range of"):
        compare(Artefact(path), model)
    (kind,) = compare(Artefact(path), model, samples)
    assert kind == "real, in the mean"


@pytest.mark.parametrize(("found", "difference"), [("cat", 0.0), ("dog", 1.0)])
def test_strings_of_a_quantised_network_must_be_the_same(found, difference):
    expected = {"class": np.array([[b"cat"]], object), "score": np.array([[2.0]])}
    outputs = expected | {"class": np.array([[found.encode()]], object)}
    assert mean_difference(outputs, expected) == difference


def test_a_runtime_that_fails_is_named():
    model = network()
    reference = reference_of(model, contract_of(model), None)

    def fails(batch):
        raise RuntimeError("the batch is odd")

    with pytest.raises(ExportError, match="cannot run samples of kind noise: the batch is odd"):
        judged("savedmodel", fails, reference, None, folded=False)


@pytest.mark.parametrize(
    ("place", "wrong", "received"), [("a number", np.nan, "nan"), ("NaN", 1.0, "inf")]
)
def test_what_is_not_finite_agrees(place, wrong, received):
    """The root of a negative number is NaN, in the model and in the artefact."""
    x = keras.Input((8,), name="x")
    root = keras.ops.where(x < -500, keras.ops.sqrt(x), x)
    model = keras.Model(x, layers.Activation("linear", name="out")(root))
    reference = reference_of(model, contract_of(model), None)

    def run(batch):
        return {"out": np.array(model(batch["x"]))}

    def run_wrong(batch):
        outputs = run(batch)["out"]
        chosen = np.isnan(outputs) if place == "NaN" else batch["x"] > 500
        return {"out": np.where(chosen, wrong, outputs)}

    assert judged("savedmodel", run, reference, None, folded=False).differences["extreme"] == 0
    with pytest.raises(ExportError, match=f"a difference of {received} .*'extreme'"):
        judged("savedmodel", run_wrong, reference, None, folded=False)
