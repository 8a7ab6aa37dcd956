"""What is exported gives what the model gives, in the formats' own runtimes."""

import json
import subprocess
import sys
from functools import cache
from io import BytesIO

import keras
import numpy as np
import pytest
from full_disk import full_disk
from keras import layers
from members import MEMBERS
from PIL import Image
from uncompiled import UNCOMPILED

import keraskip
from keraskip import Artefact, ExportError, Preprocessing
from keraskip.data import load_data
from keraskip.export.artefact import gate
from keraskip.export.artefact.differences import largest_difference, mean_difference
from keraskip.export.formats import savedmodel
from keraskip.export.network.contract import contract_of

tf = pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")

pytestmark = [
    # LiteRT's converter and interpreter say so of each other.
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning"),
]

NAMES = [f"digit {number}" for number in range(10)]
BLOCKED = "import sys; sys.modules['keras'] = None; sys.modules['tf_keras'] = None; "


@cache
def digits():
    """Normalised images and labels to train with and to test, and what normalises 0 to 255."""
    data = load_data("digits")
    mean, deviation = data.mean_and_deviation

    def prepared(part):
        return ((part.images - mean) / deviation).astype("float32"), part.labels

    steps = Preprocessing(255 * mean, 255 * deviation)
    return prepared(data.train), prepared(data.test), steps


@cache
def ready(member="resnet", policy="float32"):
    """A network as after training: its normalisations have statistics of their own."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = MEMBERS[member](input_shape=(8, 8, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    random = np.random.default_rng(0)
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def trained():
    """A network that knows the digits."""
    model = MEMBERS["resnet"](input_shape=(8, 8, 1))
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    (x, y), _, _ = digits()
    model.fit(x, y, batch_size=64, epochs=3, verbose=0)
    return model


def held_out():
    return digits()[1][0]


def expected(model, x=None):
    return model.predict(held_out() if x is None else x, verbose=0)


def assert_same(found, wanted, tolerance):
    np.testing.assert_allclose(found, wanted, atol=tolerance, rtol=tolerance)
    np.testing.assert_array_equal(found.argmax(axis=1), wanted.argmax(axis=1))


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


MEMBERS_TO_EXPORT = (
    "plain", "resnet", "resnet_preact", "densenet_bc", "densenet_efficient", "stochastic_depth",
)  # fmt: skip
# One of layers of Keras alone, and one that has a layer of ours and is folded.
QUICK = (("resnet_preact", False), ("densenet_efficient", True))


@pytest.mark.parametrize(
    ("member", "fold", "tolerance"),
    [
        pytest.param(
            member, fold, tolerance, marks=() if (member, fold) in QUICK else pytest.mark.slow
        )
        for fold, tolerance in ((True, 1e-4), (False, 1e-5))
        for member in MEMBERS_TO_EXPORT
    ],
)
def test_savedmodel_gives_what_the_model_gives(tmp_path, member, fold, tolerance):
    model = ready(member)
    path = keraskip.export_savedmodel(
        model, tmp_path / "out", fold_batch_norm=fold, samples=held_out()[:8]
    )
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    # All at once, one, and a batch that is no power of two.
    for count in None, 1, 7:
        x = held_out()[:count]
        assert_same(serve(images=x)["predictions"].numpy(), expected(model, x), tolerance)
    card = json.loads((path / "model_card.json").read_text())
    assert (card["folded"] > 0) == fold
    assert max(card["parity"].values()) <= tolerance


def count_variables(path):
    loaded = tf.saved_model.load(str(path))
    return len(loaded.signatures["serve"].variables)


def test_weights_are_constants_stored_once_or_variables(tmp_path, monkeypatch):
    wide = [layers.Flatten(), layers.Dense(2000, "relu"), layers.Dense(10, name="scores")]
    model = keras.Sequential([layers.Input((8, 8, 1)), *wide])
    size = sum(variable.numpy().nbytes for variable in model.variables)
    path, one = tmp_path / "three", tmp_path / "one"
    keraskip.export_savedmodel(model, one)
    keraskip.export_savedmodel(model, path, signatures=["serve", "uint8", "encoded"])
    assert count_variables(path) == 0
    # Three signatures are not three times the weights.
    grown = (path / "saved_model.pb").stat().st_size - (one / "saved_model.pb").stat().st_size
    assert grown < size / 2
    monkeypatch.setattr(savedmodel, "MOST_CONSTANTS", size // 2)
    large = keraskip.export_savedmodel(model, tmp_path / "large")
    unfolded = keraskip.export_savedmodel(model, tmp_path / "u", fold_batch_norm=False)
    assert count_variables(large) > 0
    assert count_variables(unfolded) == len(model.variables)


@pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_half_precision_is_exported_in_float32(tmp_path, policy):
    model = ready("resnet", policy)
    path = keraskip.export_savedmodel(model, tmp_path / "out", fold_batch_norm=False)
    full = ready.__wrapped__("resnet")
    full.set_weights(model.get_weights())
    assert_same(Artefact(path)(held_out())["predictions"], expected(full), 1e-5)
    graph = tf.saved_model.load(str(path)).signatures["serve"].graph.as_graph_def()
    types = {node.attr["T"].type for node in graph.library.function[0].node_def}
    assert not types & {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
    assert Artefact(path).card["parity"]["half precision"] < 0.1


def test_double_precision_is_exported_in_float32(tmp_path):
    """Also where the type is that of an input alone; whole numbers stay."""
    ids = keras.Input((3,), dtype="int32", name="ids")
    table = keras.Input((3,), dtype="float64", name="table")
    outputs = {
        "scores": layers.Dense(2, dtype="float64")(table),
        "doubled": table + table,
        "whole": layers.Identity(dtype="int32")(ids),
    }
    model = keras.Model([ids, table], outputs)
    samples = [np.array([[1, 2, 3]], "int32"), np.array([[0.1, 0.2, -0.3]])]
    artefact = Artefact(keraskip.export_savedmodel(model, tmp_path / "out"))
    found = artefact(samples)
    assert {name: str(values.dtype) for name, values in found.items()} == {
        "scores": "float32", "doubled": "float32", "whole": "int32",
    }  # fmt: skip
    for name, wanted in model.predict(samples, verbose=0).items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-6)
    assert artefact.card["parity"]["double precision"] < 1e-5


def png(image):
    file = BytesIO()
    Image.fromarray(image.squeeze()).save(file, "png")
    return file.getvalue()


def test_raw_images_and_files(tmp_path):
    model, (_, _, steps) = ready(), digits()
    path = keraskip.export_savedmodel(
        model,
        tmp_path / "out",
        preprocessing=steps,
        class_names=NAMES,
        top_k=3,
        signatures=["uint8", "encoded"],
    )
    # Larger than the network takes them, and wider than high.
    raw = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 1)).astype("uint8")
    wanted = expected(model, steps(raw, (8, 8)))
    signatures = tf.saved_model.load(str(path)).signatures
    assert set(signatures) == {"serving_default", "uint8", "encoded", "serve"}
    contents = tf.constant([png(image) for image in raw])
    for found in (
        signatures["serving_default"](images=raw),
        signatures["uint8"](images=raw),
        signatures["encoded"](image_bytes=contents),
    ):
        np.testing.assert_allclose(found["predictions"], wanted, atol=1e-4)
        best = np.argsort(-wanted)[:, :3]
        np.testing.assert_allclose(
            found["top_scores"], np.take_along_axis(wanted, best, 1), atol=1e-4
        )
        top = [[name.decode() for name in row] for row in found["top_classes"].numpy()]
        assert top == [[NAMES[place] for place in row] for row in best]


def test_files_of_colour_are_read_as_pillow_reads_them(tmp_path):
    model = MEMBERS["plain"](input_shape=(16, 16, 3), normalization=None)
    path = keraskip.export_savedmodel(model, tmp_path / "out", signatures=["encoded"])
    encoded = tf.saved_model.load(str(path)).signatures["encoded"]
    image = np.kron(np.random.default_rng(0).integers(0, 256, (5, 4, 3)), np.ones((8, 8, 1)))
    for suffix, tolerance in ("png", 1e-4), ("jpeg", 0.05):
        file = tmp_path / f"image.{suffix}"
        Image.fromarray(image.astype("uint8")).save(file)
        wanted = expected(model, Artefact(path).read(file))
        found = encoded(image_bytes=tf.constant([file.read_bytes()]))["predictions"]
        np.testing.assert_allclose(found, wanted, atol=tolerance)


@pytest.mark.slow
def test_an_artefact_loads_where_keras_cannot_be_imported(tmp_path):
    path = keraskip.export_savedmodel(ready(), tmp_path / "out", signatures=["serve", "encoded"])
    np.save(tmp_path / "images.npy", held_out())
    code = BLOCKED + (
        "import numpy as np, tensorflow as tf;"
        f"serve = tf.saved_model.load({str(path)!r}).signatures['serving_default'];"
        f"found = serve(images=np.load({str(tmp_path / 'images.npy')!r}))['predictions'];"
        f"np.save({str(tmp_path / 'found.npy')!r}, found);"
        "from keraskip import Artefact;"
        f"Artefact({str(path)!r}).best({str(tmp_path / 'digit.png')!r})"
    )
    (tmp_path / "digit.png").write_bytes(png(np.full((9, 9, 1), 200, "uint8")))
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert_same(np.load(tmp_path / "found.npy"), expected(ready()), 1e-4)


def test_onnx(tmp_path):
    pytest.importorskip("onnxruntime")
    model = ready("densenet_efficient")
    path = keraskip.export_onnx(model, tmp_path / "out", samples=held_out()[:8])
    assert files(path) == ["README.md", "model.onnx", "model_card.json"]
    assert_same(Artefact(path)(held_out())["predictions"], expected(model), 1e-4)


def test_litert(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model = ready()
    path = keraskip.export_litert(model, tmp_path / "out", samples=held_out()[:8])
    assert files(path) == ["README.md", "model.tflite", "model_card.json"]
    assert_same(Artefact(path)(held_out())["predictions"], expected(model), 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("reduced", ["int8", "dynamic"])
def test_litert_in_8_bits(tmp_path, reduced):
    pytest.importorskip("ai_edge_litert")
    model, (x, _), labels = trained(), digits()[0], digits()[1][1]
    accuracy = (expected(model).argmax(axis=1) == labels).mean()
    assert accuracy > 0.8
    sizes = {}
    for kind in None, reduced:
        options = {"representative": x[:100]} if kind == "int8" else {}
        path = keraskip.export_litert(
            model, tmp_path / str(kind), quantization=kind, samples=x[:8], **options
        )
        assert files(path) == ["README.md", "model.tflite", "model_card.json"]
        found = Artefact(path)(held_out())["predictions"]
        if kind is None:
            assert_same(found, expected(model), 1e-4)
        # One point.
        assert abs((found.argmax(axis=1) == labels).mean() - accuracy) <= 0.01
        sizes[kind] = (path / "model.tflite").stat().st_size
    assert sizes[reduced] < 0.6 * sizes[None]


class Subclassed(keras.Model):
    """A network without a graph."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(10)]

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


def test_networks_of_ones_own(tmp_path):
    subclassed = Subclassed()
    subclassed(np.zeros((1, 8, 8, 1), "float32"))
    with pytest.raises(ValueError, match="input_shape must say"):
        keraskip.export_savedmodel(subclassed, tmp_path / "out")
    path = keraskip.export_savedmodel(subclassed, tmp_path / "out", input_shape=(8, 8, 1))
    found = Artefact(path)(held_out())["output_0"]
    np.testing.assert_allclose(found, expected(subclassed), atol=1e-5)

    nested = keras.Sequential([layers.Input((8, 8, 1)), layers.Rescaling(0.5), ready()])
    path = keraskip.export_savedmodel(nested, tmp_path / "nested")
    assert_same(Artefact(path)(held_out())[ready().name], expected(nested), 1e-4)

    stages = keraskip.features(ready())
    path = keraskip.export_savedmodel(stages, tmp_path / "stages")
    found = Artefact(path)(held_out())
    wanted = expected(stages)
    assert [value.shape for value in found.values()] == [value.shape for value in wanted]


def test_images_of_any_size(tmp_path):
    model = MEMBERS["plain"](input_shape=(None, None, 3), normalization=None)
    path = keraskip.export_savedmodel(model, tmp_path / "out", signatures=["serve", "uint8"])
    x = np.random.default_rng(0).normal(size=(2, 20, 12, 3)).astype("float32")
    np.testing.assert_allclose(Artefact(path)(x)["predictions"], expected(model, x), atol=1e-5)
    with pytest.raises(ValueError, match="'encoded' needs a model of images of one size"):
        keraskip.export_savedmodel(model, tmp_path / "other", signatures=["encoded"])


def test_new_networks_are_warned_about(tmp_path):
    model = MEMBERS["resnet"](input_shape=(8, 8, 1))
    with pytest.warns(UserWarning, match="statistics of batch normalisation were never updated"):
        keraskip.export_savedmodel(model, tmp_path / "out")
    # A warning where there is nothing to warn of fails every other test here.


def test_the_card_says_where_weights_come_from(tmp_path):
    run = tmp_path / "run"
    model = ready.__wrapped__()
    model.compile("sgd", "sparse_categorical_crossentropy", **UNCOMPILED)
    (x, y), _, steps = digits()
    recorder = keraskip.GradientRecorder(run)
    model.fit(x[:64], y[:64], verbose=0, callbacks=[recorder])
    recorder.note("test", {"epoch": 1, "accuracy": 0.75})
    path = keraskip.export_savedmodel(
        model, tmp_path / "out", run=run, preprocessing=steps, class_names=NAMES
    )
    card = Artefact(path).card
    assert card["training"]["run"] == "run"
    assert card["metrics"] == {"test accuracy": 0.75}
    assert card["architecture"]["parameters"] == model.count_params()
    assert card["architecture"]["macs"] == keraskip.anatomy(model).macs
    page = (path / "README.md").read_text()
    assert "| test accuracy | 0.75 |" in page
    assert "digit 0, digit 1" in page


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="the other tests show it")
def test_other_backends_export_by_tensorflow(tmp_path):
    """On JAX and PyTorch, TensorFlow writes in a process of its own."""
    model = ready("densenet_efficient")
    path = keraskip.export_savedmodel(
        model, tmp_path / "out", class_names=NAMES, signatures=["serve", "uint8"]
    )
    assert_same(Artefact(path)(held_out())["predictions"], expected(model), 1e-4)
    subclassed = Subclassed()
    subclassed(np.zeros((1, 8, 8, 1), "float32"))
    with pytest.raises(ExportError, match="only models with a graph"):
        keraskip.export_savedmodel(subclassed, tmp_path / "no", input_shape=(8, 8, 1))


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="the other tests show it")
@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_other_backends_export_dicts_and_whole_numbers(tmp_path, format):
    """Whole, or nothing where the disk is full; the process of its own is under the same limit."""
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    inputs = {
        "age": keras.Input((4,), name="age"),
        "words": keras.Input((None,), dtype="int32", name="words"),
    }
    text = layers.GlobalAveragePooling1D()(layers.Embedding(50, 8)(inputs["words"]))
    x = layers.concatenate([inputs["age"], text])
    model = keras.Model(inputs, {"label": layers.Dense(3)(x), "box": layers.Dense(2)(x)})
    export = getattr(keraskip, f"export_{format}")
    artefact = Artefact(export(model, tmp_path / "out"))
    random = np.random.default_rng(0)
    batch = {"age": random.normal(size=(3, 4)), "words": random.integers(0, 50, (3, 7))}
    wanted = model.predict({"age": batch["age"].astype("float32"), "words": batch["words"]})
    for name, values in artefact(batch).items():
        np.testing.assert_allclose(values, wanted[name], atol=1e-5)
    with full_disk(), pytest.raises((ExportError, OSError)):
        export(model, tmp_path / "other")
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "float32"])
def test_policies_of_later_do_not_matter(tmp_path, policy):
    model = ready("densenet_efficient")
    keras.config.set_dtype_policy(policy)
    try:
        path = keraskip.export_savedmodel(model, tmp_path / "out", fold_batch_norm=False)
    finally:
        keras.config.set_dtype_policy("float32")
    assert_same(Artefact(path)(held_out())["predictions"], expected(model), 1e-5)


def test_names_become_arguments(tmp_path):
    inputs = keras.Input((8, 8, 1), name="my images")
    x = layers.Flatten()(inputs)
    outputs = [layers.Dense(2, name=name)(x) for name in ("left-hand", "right.hand")]
    model = keras.Model(inputs, outputs)
    for export in keraskip.export_savedmodel, keraskip.export_onnx:
        path = export(model, tmp_path / export.__name__)
        artefact = Artefact(path)
        assert [each.name for each in artefact.inputs] == ["my_images"]
        found = artefact(held_out()[:4])
        assert list(found) == ["left_hand", "right_hand"]
        for value, wanted in zip(found.values(), expected(model, held_out()[:4]), strict=True):
            np.testing.assert_allclose(value, wanted, atol=1e-5)
    (tmp_path / "image.png").write_bytes(png(np.zeros((8, 8, 1), "uint8")))
    with pytest.raises(ValueError, match="Classes are of a network with one score for each"):
        artefact.best(tmp_path / "image.png")


def test_images_of_whole_numbers(tmp_path):
    inputs = keras.Input((8, 8, 1), dtype="uint8", name="images")
    x = layers.Conv2D(3, 3)(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Flatten(name="flat")(x))
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype("float32")
    for export in keraskip.export_savedmodel, keraskip.export_onnx:
        found = Artefact(export(model, tmp_path / export.__name__))(images)["flat"]
        np.testing.assert_allclose(found, expected(model, images), atol=1e-4)


def test_the_gate_misses_nothing():
    model = ready()
    reference = gate.reference_of(model, contract_of(model), None)
    for wrong, received in ((np.nan, "nan"), (np.inf, "inf"), (0.1, r"0\.")):
        off = lambda batch, wrong=wrong: {  # noqa: E731
            "predictions": expected(model, batch["images"]) + wrong
        }
        with pytest.raises(ExportError, match=f"a difference of {received}"):
            gate.judged("savedmodel", off, reference, None, folded=False)
    # One class for certain, and it is the wrong one of a thousand.
    sure = np.eye(1000)[:3]
    assert mean_difference({"a": np.roll(sure, 1, axis=0)}, {"a": sure}) == 2
    # Whole numbers are classes; the next one is another class.
    assert largest_difference(np.array([30000]), np.array([30001])) == 1
    assert largest_difference(np.array([b"a"], object), np.array([b"b"], object)) == 1
