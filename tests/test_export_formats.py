"""What each format lets users choose, and what its card says of it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from keras import layers

import keraskip
from keraskip import Artefact, ExportError
from keraskip.export.formats import FORMATS, onnx
from keraskip.export.formats import format as formats
from keraskip.export.network.contract import contract_of

tf = pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")

pytestmark = [
    # LiteRT's converter and interpreter say so of each other.
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning"),
]
LITERT = {
    "LSTM": lambda: layers.LSTM(4),
    "GRU": lambda: layers.GRU(4),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(4)),
}


def recurrent(kind="LSTM", masked=False):
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = LITERT[kind]()(layers.Embedding(9, 3, mask_zero=masked)(ids))
    return keras.Model(ids, layers.Dense(2, name="out")(x))


def network():
    x = table = keras.Input((8,), name="table")
    x = layers.Dense(16, "relu")(x)
    return keras.Model(table, layers.Dense(3, "softmax", name="out")(x))


def samples(count=50):
    return np.random.default_rng(0).normal(size=(count, 8)).astype("float32")


def page_of(path):
    return (path / "README.md").read_text()


@pytest.mark.parametrize(
    ("kind", "masked", "size"),
    [
        ("LSTM", False, 2),
        *(
            pytest.param(kind, masked, size, marks=pytest.mark.slow)
            for kind in LITERT
            for masked in (False, True)
            for size in (1, 2)
            if (kind, masked, size) != ("LSTM", False, 2)
        ),
    ],
)
def test_recurrent_layers_in_litert_have_one_size_of_batches(tmp_path, kind, masked, size):
    pytest.importorskip("ai_edge_litert")
    model = recurrent(kind, masked)
    if size == 2:
        with pytest.raises(ExportError, match=r"does not have TensorList.*a batch_size, such as 1"):
            keraskip.export_litert(model, tmp_path / "out")
    path = keraskip.export_litert(model, tmp_path / "out", batch_size=size)
    for count in 1, 3, 4:
        ids = np.random.default_rng(count).integers(0, 9, (count, 6)).astype("int32")
        found = Artefact(path)(ids)["out"]
        np.testing.assert_allclose(found, model(ids), atol=1e-6)
    assert f"| batches of the file | {size}; keraskip.Artefact takes" in page_of(path)


def test_the_numbers_of_a_loop_have_no_ranges_in_litert(tmp_path):
    """Without the refusal the converter ends the process."""
    pytest.importorskip("ai_edge_litert")
    ids = np.zeros((4, 6), "int32")
    with pytest.raises(
        ExportError, match=r"loop, which int8, int8_only, int16x8 need: .*'dynamic'"
    ):
        keraskip.export_litert(
            recurrent(), tmp_path / "out", quantization="int8", representative=ids, batch_size=1
        )


@pytest.mark.parametrize(
    ("kind", "most", "largest"),
    [
        ("float16", 1e-3, 0.55),
        ("int8_only", 0.05, 0.5),
        pytest.param("int16x8", 0.02, 0.5, marks=pytest.mark.slow),
        pytest.param("int8", 0.05, 0.5, marks=pytest.mark.slow),
        pytest.param("dynamic", 0.05, 0.5, marks=pytest.mark.slow),
    ],
)
def test_numbers_below_float32_in_litert(tmp_path, kind, most, largest):
    pytest.importorskip("ai_edge_litert")
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(300, "relu"), layers.Dense(300, "relu"), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((8,)), *parts])
    calibrated = {} if kind in ("float16", "dynamic") else {"representative": samples()}
    path = keraskip.export_litert(model, tmp_path / "out", quantization=kind, **calibrated)
    x = samples(7)
    (found,) = Artefact(path)(x).values()
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, model(x), atol=most)
    assert (path / "model.tflite").stat().st_size < largest * 4 * model.count_params()
    stored = "| numbers of inputs in the file | int8, (int8 - " in page_of(path)
    assert stored == (kind == "int8_only")
    assert f"| quantisation | {kind} |" in page_of(path)


def test_whole_numbers_have_no_int16x8_in_litert(tmp_path):
    pytest.importorskip("ai_edge_litert")
    ids = keras.Input((3,), dtype="int32", name="ids")
    model = keras.Model(ids, layers.Flatten()(layers.Embedding(9, 3)(ids)))
    with pytest.raises(ValueError, match=r"'int8' takes whole numbers, too.*ids \[any, 3\] int32"):
        keraskip.export_litert(
            model, tmp_path / "out", quantization="int16x8", representative=np.ones((9, 3), "int32")
        )


def test_threads_and_delegate_are_on_the_card(tmp_path):
    pytest.importorskip("ai_edge_litert")
    path = keraskip.export_litert(network(), tmp_path / "out")
    about = json.loads((path / "model_card.json").read_text())["about"]
    assert about["runs with"].endswith(" threads and the delegate XNNPACK")
    assert int(about["runs with"].split()[0]) >= 1


@pytest.mark.parametrize("format", FORMATS)
def test_threads_may_share_an_artefact(tmp_path, format):
    pytest.importorskip(FORMATS[format].modules[-1])
    model = network()
    artefact = Artefact(getattr(keraskip, f"export_{format}")(model, tmp_path / "out"))
    batches = [samples(1 + number % 7) + number for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(artefact, batches))
    whole = model.predict(np.concatenate(batches), verbose=0)
    wanted = np.split(whole, np.cumsum([*map(len, batches)])[:-1])
    for outputs, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(outputs["out"], right, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"batch_size": 2.5}, "batch_size must be an integer"),
        ({"quantization": "int16x8"}, "int8_only, int16x8, which need them"),
        ({"quantization": "float16", "representative": samples()}, "Received: .*'float16'"),
        ({"quantization": "half"}, "must be one of"),
        (
            {"quantization": "int8", "representative": samples(2), "batch_size": 3},
            "a whole batch of samples. Received: 2 samples, batch_size=3",
        ),
    ],
)
def test_choices_that_litert_does_not_have(tmp_path, options, message):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises((TypeError, ValueError), match=message):
        keraskip.export_litert(network(), tmp_path / "out", **options)


def test_openvino(tmp_path):
    openvino = pytest.importorskip("openvino")
    model = network()
    path = keraskip.export_openvino(model, tmp_path / "out")
    assert {"model.xml", "model.bin"} <= {file.name for file in path.iterdir()}
    (line,) = [row for row in page_of(path).splitlines() if row[:4] == " " * 4]
    x = samples(5)
    found = eval(line.strip().replace("FOLDER", str(path)), {"openvino": openvino, "table": x})
    np.testing.assert_allclose(found["out"], model(x), atol=1e-6)
    np.testing.assert_array_equal(Artefact(path)(x)["out"], found["out"])
    assert "threads of OpenVINO" in page_of(path)


def test_openvino_sends_no_messages(tmp_path):
    """Its reporter is not imported where an artefact alone is loaded."""
    pytest.importorskip("openvino")
    path = keraskip.export_openvino(network(), tmp_path / "out")
    code = (
        f"import sys, keraskip; keraskip.Artefact({str(path)!r});"
        "assert 'openvino' in sys.modules;"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_input_that_is_an_output_in_openvino(tmp_path):
    """There the two have each other's names."""
    pytest.importorskip("openvino")
    table = keras.Input((8,), name="table")
    model = keras.Model(table, {"again": table, "out": layers.Dense(3)(table)})
    x = samples(5)
    found = Artefact(keraskip.export_openvino(model, tmp_path / "out"))(x)
    assert list(found) == ["again", "out"]
    for name, wanted in model(x).items():
        np.testing.assert_allclose(found[name], wanted, atol=1e-6)


def test_an_operation_that_openvino_does_not_have(tmp_path):
    pytest.importorskip("openvino")
    table = keras.Input((8,), name="table")
    model = keras.Model(table, keras.ops.argmax(table, axis=-1))
    with pytest.raises(ExportError, match=r"OpenVINO does not have \w+: replace the layer"):
        keraskip.export_openvino(model, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LITERT)
def test_recurrent_layers_in_openvino(tmp_path, kind):
    pytest.importorskip("openvino")
    model = recurrent(kind, masked=True)
    ids = np.random.default_rng(0).integers(0, 9, (5, 6)).astype("int32")
    found = Artefact(keraskip.export_openvino(model, tmp_path / "out"))(ids)["out"]
    np.testing.assert_allclose(found, model(ids), atol=1e-6)


def test_openvino_takes_no_strings(tmp_path):
    pytest.importorskip("openvino")
    words = keras.Input((2,), dtype="string", name="words")
    x = layers.Embedding(6, 2)(layers.StringLookup(vocabulary=["a", "the"])(words))
    model = keras.Model(words, layers.Flatten()(x))
    with pytest.raises(ExportError, match=r"OpenVINO takes no strings; a SavedModel does.*words"):
        keraskip.export_openvino(model, tmp_path / "out")


class Branch(layers.Layer):
    """A branch that depends on the numbers, as TensorFlow writes it."""

    @tf.function
    def call(self, x):
        if tf.reduce_sum(x) > 0:
            return 2 * x
        return -x


def test_what_tf2onnx_cannot_take_apart_goes_by_keras(tmp_path):
    pytest.importorskip("onnxruntime")
    table = keras.Input((8,), name="table")
    model = keras.Model({"table": table}, {"y": layers.Dense(3)(Branch()(table))})
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
        onnx.write(model, tmp_path, contract_of(model), onnx.Opset())
    artefact = Artefact(keraskip.export_onnx(model, tmp_path / "out"))
    for x in np.ones((2, 8), "float32"), -np.ones((3, 8), "float32"):
        np.testing.assert_allclose(artefact({"table": x})["y"], model({"table": x})["y"], atol=1e-5)


class InPyTorch(layers.Layer):
    """A layer that PyTorch alone can compute."""

    def call(self, x):
        import torch

        return torch.relu(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only PyTorch can run the layer")
def test_what_tensorflow_cannot_load_goes_by_pytorch(tmp_path):
    pytest.importorskip("onnxscript")
    x = keras.Input((8, 8, 3), name="x")
    maps = InPyTorch()(layers.Conv2D(4, 3, padding="same")(x))
    outputs = {"y": layers.GlobalAveragePooling2D()(maps), "b": layers.Flatten()(maps)}
    model = keras.Model({"x": x}, outputs)
    artefact = Artefact(keraskip.export_onnx(model, tmp_path / "out"))
    assert artefact.card["about"]["converted by"] == "pytorch"
    batch = {"x": np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype("float32")}
    found, wanted = artefact(batch), model(batch)
    for name in ("y", "b"):
        right = keras.ops.convert_to_numpy(wanted[name])
        np.testing.assert_allclose(found[name], right, atol=1e-5)


@pytest.mark.parametrize("format", ["openvino", "litert", "onnx"])
def test_a_missing_extra_is_named(tmp_path, monkeypatch, format):
    runtime = FORMATS[format].modules[-1]
    pytest.importorskip(runtime)
    export = getattr(keraskip, f"export_{format}")
    path = export(network(), tmp_path / "out")
    monkeypatch.setattr(formats, "is_installed", lambda name: name != runtime)
    cure = rf"needs {runtime}: pip install 'keraskip\[{format}\]'$"
    with pytest.raises(ImportError, match=f"^This export {cure}"):
        export(network(), tmp_path / "new")
    with pytest.raises(ImportError, match=f"^This artefact {cure}"):
        Artefact(path)


def test_classes_of_numbers_in_onnx(tmp_path):
    pytest.importorskip("onnxruntime")
    x = keras.Input((3,), name="x")
    places = layers.Discretization([-0.5, 0.0, 2.0])(x)
    model = keras.Model(x, [places, layers.Flatten()(layers.Embedding(4, 2)(places))])
    artefact = Artefact(keraskip.export_onnx(model, tmp_path / "out"))
    batch = np.array([[-1, -0.5, -0.4], [0, 1.9, 2], [3, np.inf, -np.inf]], "float32")
    for found, wanted in zip(artefact(batch).values(), model(batch), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("format", ["onnx", pytest.param("litert", marks=pytest.mark.slow)])
def test_a_vocabulary_of_numbers_is_named(tmp_path, format):
    pytest.importorskip(FORMATS[format].modules[-1])
    x = keras.Input((3,), dtype="int64", name="x")
    model = keras.Model(x, layers.IntegerLookup(vocabulary=[0, 1, 5], name="words")(x))
    with pytest.raises(ExportError, match=r"LookupTableFindV2 \(of words.*: replace the layer"):
        getattr(keraskip, f"export_{format}")(model, tmp_path / "out")


def test_the_last_opset_is_the_converter_s():
    pytest.importorskip("tf2onnx")
    from tf2onnx.constants import OPSET_TO_IR_VERSION

    assert max(OPSET_TO_IR_VERSION) == onnx.NEWEST


def test_an_opset_that_nothing_writes(tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match=r"at most 18. Received: opset=23 \(nearest: 18\)"):
        keraskip.export_onnx(network(), tmp_path / "out", opset=23)
