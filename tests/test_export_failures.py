"""Exports that fail say why, leave nothing behind and nothing broken."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from filelock import FileLock
from full_disk import full_disk
from keras import layers

import keraskip
from keraskip import Artefact, ExportError, Preprocessing
from keraskip.export.artefact import drafts
from keraskip.export.artefact.drafts import draft
from keraskip.export.errors import cause
from keraskip.export.network.contract import contract_of

tf = pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning")

IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")


def network(*parts, shape=(8, 8, 1)):
    x = inputs = keras.Input(shape, name="images")
    for part in [*parts, layers.GlobalAveragePooling2D(), layers.Dense(3, name="scores")]:
        x = part(x)
    return keras.Model(inputs, x)


def mixed(*parts, strings=True):
    """A dict of numbers, tokens and strings; one named output."""
    inputs = {"age": keras.Input((4,), name="age")}
    inputs["words"] = keras.Input((None,), dtype="int32", name="words")
    embedded = layers.Embedding(9, 4, name="embedding")(inputs["words"])
    found = [inputs["age"], layers.GlobalAveragePooling1D()(embedded)]
    if strings:
        inputs["title"] = keras.Input((2,), dtype="string", name="title")
        found.append(
            layers.StringLookup(vocabulary=["a"], output_mode="multi_hot")(inputs["title"])
        )
    x = layers.concatenate(found)
    for part in [*parts, layers.Dense(3, name="last")]:
        x = part(x)
    return keras.Model(inputs, {"scores": x})


NETWORKS = {"images": network, "mixed": mixed}


def small():
    return network(layers.Conv2D(4, 3))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return keraskip.export_savedmodel(small(), tmp_path_factory.mktemp("exported") / "out")


@pytest.fixture
def earlier(exported, tmp_path):
    """An artefact of the small network, in a folder where nothing else is."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


def with_nan():
    model = small()
    kernel, *others = model.get_weights()
    kernel[0] = np.nan
    model.set_weights([kernel, *others])
    return model


def two_inputs():
    inputs = [keras.Input((8, 8, 1)) for _ in range(2)]
    return keras.Model(inputs, layers.Add()(inputs))


REFUSED = {
    "no model": (lambda: "resnet20", {}, TypeError, "model must be a keras.Model"),
    "not built": (
        lambda: keras.Sequential([layers.Dense(3)]), {"input_shape": (8, 8, 1)},
        ValueError, "call it on some samples first",
    ),
    "weights": (with_nan, {}, ValueError, "NaN or infinity in conv2d.*/kernel"),
    "sparse": (
        lambda: keras.Sequential([layers.Input((4,), sparse=True), layers.Dense(2)]),
        {}, ValueError, r"dense inputs\. Received: a sparse input",
    ),
    "no images": (
        two_inputs, {"preprocessing": Preprocessing()}, ValueError, "only input is an image",
    ),
    "raw": (two_inputs, {"signatures": ["uint8"]}, ValueError, "only input is an image"),
    "two": (two_inputs, {"samples": IMAGES}, ValueError, r"input_0 \[any.*Received: an array"),
    "signature": (small, {"signatures": ["float"]}, ValueError, "Each of signatures must be one"),
    "signatures": (small, {"signatures": "serve"}, ValueError, "signatures must be a list"),
    "top_k": (small, {"top_k": 0}, ValueError, r"top_k must be at least 1.*nearest: 1"),
    "names": (small, {"class_names": ["a", "b"]}, ValueError, "Received: 2 names"),
    "means": (
        small, {"preprocessing": Preprocessing((1, 2, 3))}, ValueError, "3 for 1 channels"
    ),
    "samples": (
        small, {"samples": IMAGES[:, :4]}, ValueError, r"samples must be .*\[4, 4, 8, 1\]"
    ),
    "name": (small, {"class_names": "abc"}, TypeError, "class_names must be a list of names"),
    "top": (
        lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2, name="top_scores")]),
        {"class_names": ["a", "b"]}, ValueError, "need other names. Received: output top_scores",
    ),
    "metrics": (small, {"metrics": {"loss": np.nan}}, ValueError, "names and finite numbers"),
    "a huge metric": (small, {"metrics": {"loss": 10**400}}, ValueError, "names and finite number"),
    "shape": (small, {"input_shape": (5, 5, 1)}, ValueError, "is for models that do not know it"),
    "run": (small, {"run": "nowhere"}, ValueError, "run must be a folder with a run.json"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_before_anything_is_written(tmp_path, case):
    make, options, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        keraskip.export_savedmodel(make(), tmp_path / "new" / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int4"}, "quantization must be one of"),
        ({"quantization": "int8"}, "representative samples are for"),
        ({"representative": IMAGES}, "Received: quantization=None, representative=samples"),
    ],
)
def test_bad_quantization_is_refused(tmp_path, options, message):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ValueError, match=message):
        keraskip.export_litert(small(), tmp_path / "out", **options)
    with pytest.raises(TypeError, match="classnames"):
        keraskip.export_litert(small(), tmp_path / "out", classnames=["a"])


@keras.saving.register_keras_serializable("tests")
class InPython(layers.Layer):
    """Computes outside of the graph, as no other runtime can."""

    def call(self, x):
        y = tf.numpy_function(np.sin, [x], tf.float32)
        return tf.ensure_shape(y, x.shape)

    def compute_output_shape(self, shape):
        return shape


class Noisy(layers.Layer):
    """Gives something else each time."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seed_generator)


def test_a_layer_that_a_format_does_not_have(tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ExportError, match=r"as onnx: ONNX does not have \w*PyFunc \(of in_"):
        keraskip.export_onnx(network(InPython()), tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def recurrent():
    x = keras.Input((7, 4))
    return keras.Model(x, layers.GRU(3, name="gru")(x))


@keras.saving.register_keras_serializable("tests")
class Bits(layers.Layer):
    """Reads the bits of numbers."""

    def call(self, x):
        return tf.cast(tf.bitcast(x, tf.int32), tf.float32)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, "float32")


def bits():
    return network(Bits(name="bits"))


@pytest.mark.parametrize(
    ("format", "make", "message"),
    [
        ("onnx", bits, r"ONNX does not have Bitcast \(of bits.*or export a SavedModel"),
        pytest.param(
            "litert", recurrent, r"LiteRT does not have TensorListReserve \(of gru.*unroll=True",
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_an_operation_that_a_format_does_not_have_is_named(tmp_path, format, make, message):
    pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[format])
    with pytest.raises(ExportError, match=message):
        getattr(keraskip, f"export_{format}")(make(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


class Strict(layers.Layer):
    """Fails once it is traced."""

    def call(self, x):
        if not tf.executing_eagerly():
            raise ValueError("strict takes no graph")
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Traced(layers.Layer):
    """Counts how often it becomes part of a graph."""

    def __init__(self):
        super().__init__()
        self.traces = 0

    def call(self, x):
        self.traces += not tf.executing_eagerly()
        return x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


def test_strings_are_not_tried_by_the_other_road(tmp_path):
    pytest.importorskip("onnxruntime")
    layer = Traced()
    with pytest.raises(ExportError, match=r"^An export to ONNX takes no strings"):
        keraskip.export_onnx(mixed(layer), tmp_path / "out")
    assert layer.traces == 0
    with pytest.raises(ExportError, match="PyFunc"):
        keraskip.export_onnx(network(layer, InPython()), tmp_path / "out")
    assert layer.traces > 0


def test_the_error_of_a_layer_is_its_cause(tmp_path):
    """Keras puts the arguments of the call behind it."""
    with pytest.raises(ExportError, match="cannot be written as savedmodel: strict takes no graph"):
        keraskip.export_savedmodel(network(Strict()), tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "{{function_node __wrapped}} 11 is not in [0, 10) [Op:ResourceGather] name: ",
        "Graph execution error:\n11 is not in [0, 10)\n\t [[{{node gather}}]] [Op:inference]",
    ],
)
def test_the_cause_is_told_without_the_place_in_the_graph(text):
    assert cause(RuntimeError(text)) == "11 is not in [0, 10)"


def test_an_artefact_that_differs_is_not_kept(tmp_path, earlier):
    model = network(Noisy())
    with pytest.raises(ExportError, match=r"must give what the model gives, to 0\.001"):
        keraskip.export_savedmodel(model, earlier, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert Artefact(earlier)(IMAGES)["scores"].shape == (4, 3)


def test_a_network_that_explodes_is_refused(tmp_path):
    model = network(layers.Conv2D(4, 3, name="conv"))
    model.get_layer("conv").kernel.assign(np.full((3, 3, 1, 4), 1e30))
    model.get_layer("scores").kernel.assign(np.full((4, 3), 1e30))
    with pytest.raises(ExportError, match="NaN or infinity in 'scores'"):
        keraskip.export_savedmodel(model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten_unasked(tmp_path, earlier):
    before = (earlier / "model_card.json").read_bytes()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        keraskip.export_savedmodel(small(), earlier)
    assert (earlier / "model_card.json").read_bytes() == before
    keraskip.export_savedmodel(network(layers.Conv2D(8, 3)), earlier, overwrite=True)
    assert (earlier / "model_card.json").read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == ["out"]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="replaces artefacts of keraskip only"):
        keraskip.export_savedmodel(small(), tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


# Where no folder can be made, and the folders that lie around it.
NO_FOLDERS = {
    "in a file": "file/out",
    "below a file": "file/new/out",
    # Its drafts have longer names.
    "a long name": "x" * 240,
    "a name too long": "new/" + "x" * 300,
}


@pytest.mark.parametrize("case", NO_FOLDERS)
def test_a_target_that_cannot_be_written(tmp_path, case):
    """It is refused before anything is asked of the model."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|File exists|name too long"):
        keraskip.export_savedmodel("no model", tmp_path / NO_FOLDERS[case])
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_target_that_can_be_written_is_left_as_it_is(tmp_path):
    drafts.check_target(tmp_path / "new" / "out", overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", NO_FOLDERS)
def test_the_command_refuses_such_a_target_before_it_loads_keras(tmp_path, case):
    (tmp_path / "file").touch()
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None;"
        "from keraskip.cli import app; app()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "export", "resnet20", tmp_path / NO_FOLDERS[case]],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert str(tmp_path) in done.stderr


def wide_images():
    return network(layers.Conv2D(64, 3))


def wide_table(**options):
    return mixed(layers.Dense(200), **options)


@pytest.mark.parametrize("make", [wide_images, wide_table])
@pytest.mark.parametrize(
    ("format", "runtime"),
    [
        ("savedmodel", "tensorflow"),
        pytest.param("onnx", "onnxruntime", marks=pytest.mark.slow),
        pytest.param("litert", "ai_edge_litert", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk(tmp_path, earlier, format, runtime, make):
    """Nothing is there where nothing was, and the earlier artefact where one was."""
    pytest.importorskip(runtime)
    # The other formats have no strings.
    model = make(strings=format == "savedmodel") if make is wide_table else make()
    export = getattr(keraskip, f"export_{format}")
    export(model, tmp_path / "room")
    shutil.rmtree(tmp_path / "room")
    for path in earlier, tmp_path / "new" / "out":
        with full_disk(), pytest.raises((ExportError, OSError)):
            export(model, path, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert Artefact(earlier)(IMAGES)["scores"].shape == (4, 3)


@keras.saving.register_keras_serializable("tests")
class Stopping(layers.Layer):
    """Sends its own process a signal while the artefact is being written."""

    def __init__(self, folder, number, **options):
        super().__init__(**options)
        self.folder, self.number = folder, number

    def call(self, x):
        if any(Path(self.folder).glob(".out.draft.*")):
            signal.raise_signal(self.number)
        return x

    def get_config(self):
        return {**super().get_config(), "folder": self.folder, "number": self.number}


def export_and_stop(folder, number, kind):
    model = NETWORKS[kind](Stopping(str(folder), int(number)))
    keraskip.export_savedmodel(model, folder / "out", overwrite=True)


def interrupted(folder, kind):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            export_and_stop(folder, signal.SIGINT, kind)
    finally:
        signal.signal(signal.SIGINT, before)


KILLED = """
import signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_export_failures import export_and_stop
export_and_stop(Path(sys.argv[1]), signal.SIGKILL, sys.argv[2])
"""


def killed(folder, kind):
    code = KILLED.format(tests=os.path.dirname(__file__))
    done = subprocess.run([sys.executable, "-c", code, folder, kind], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


# Who is killed cannot clean up; the next export does.
@pytest.mark.parametrize(
    ("stopped", "drafts"), [(interrupted, 0), pytest.param(killed, 1, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", NETWORKS)
def test_an_export_that_is_stopped(tmp_path, earlier, stopped, drafts, kind):
    before = (earlier / "model_card.json").read_bytes()
    stopped(tmp_path, kind)
    assert (earlier / "model_card.json").read_bytes() == before
    assert Artefact(earlier)(IMAGES)["scores"].shape == (4, 3)
    assert len([file for file in tmp_path.iterdir() if file.name != "out"]) == drafts
    keraskip.export_savedmodel(small(), earlier, overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_what_appears_in_the_meantime_stays(tmp_path):
    path = tmp_path / "out"

    def export_slowly():
        with draft(path, overwrite=False) as folder:
            (folder / "file").touch()
            path.mkdir()
            (path / "thesis.tex").touch()

    with pytest.raises(FileExistsError):
        export_slowly()
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert (path / "thesis.tex").exists()


def test_two_exports_to_one_place(tmp_path):
    path = tmp_path / "m[1]"
    with draft(path, overwrite=True) as one:
        with draft(path, overwrite=True) as other:
            assert one.is_dir()
            (other / "model_card.json").write_text("other")
        (one / "model_card.json").write_text("one")
    assert (path / "model_card.json").read_text() == "one"
    assert [file.name for file in tmp_path.iterdir()] == ["m[1]"]


def test_a_draft_that_another_export_removes_before_it_is_locked(tmp_path, monkeypatch):
    path, acquire, removed = tmp_path / "out", FileLock.acquire, []

    def acquire_after_another_export(lock, *arguments, **options):
        if not removed:
            removed.extend(tmp_path.iterdir())
            drafts._clean_up(path)
        return acquire(lock, *arguments, **options)

    monkeypatch.setattr(FileLock, "acquire", acquire_after_another_export)
    with draft(path, overwrite=False) as folder:
        assert not removed[0].exists()
        (folder / "file").touch()
    assert [file.name for file in tmp_path.rglob("*")] == ["out", "file"]


def test_behind_a_link_the_artefact_is_replaced(tmp_path, earlier):
    link = tmp_path / "current"
    link.symlink_to("out")
    before = (earlier / "model_card.json").read_bytes()
    keraskip.export_savedmodel(network(layers.Conv2D(8, 3)), link, overwrite=True)
    assert link.is_symlink()
    assert (earlier / "model_card.json").read_bytes() != before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["current", "out"]


def test_a_system_that_cannot_exchange_folders(tmp_path, earlier, monkeypatch):
    monkeypatch.setattr(sys, "platform", "other")
    before = (earlier / "model_card.json").read_bytes()
    keraskip.export_savedmodel(network(layers.Conv2D(8, 3)), earlier, overwrite=True)
    assert (earlier / "model_card.json").read_bytes() != before
    # Killed between the two steps.
    earlier.rename(tmp_path / ".out.before")
    with pytest.raises(FileExistsError, match="pass overwrite=True"), draft(earlier, False):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_names_that_tensorflow_refuses(tmp_path):
    """Layers and models with spaces in their names; one nested in another has a graph, too."""
    x = keras.Input((3,), name="my x")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="a b")], name="in between")
    model = keras.Model(x, layers.BatchNormalization(name="my \u00e4")(inner(x)), name="my model")
    model.layers[-1].set_weights([np.full(2, number) for number in (1.5, 0.5, 0.5, 2.0)])
    for fold in True, False:
        path = keraskip.export_savedmodel(model, tmp_path / str(fold), fold_batch_norm=fold)
        assert Artefact(path).card["name"] == "my model"
        batch = np.random.default_rng(0).normal(size=(3, 3)).astype("float32")
        (found,) = Artefact(path)(batch).values()
        np.testing.assert_allclose(found, model(batch), atol=1e-5)


class WithoutGraph(keras.Model):
    """A dense layer."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


class OfTwo(keras.Model):
    """A dense layer for the sum of two inputs with names."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x["a"] + x["b"])


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ({"a": (3,)}, ValueError, r"input_shape must be .*Received: input_shape=\{'a': \(3,\)\}, "),
        ({"a": (3,), "b": (4,)}, ValueError, "input_shape must be .*nested as the model"),
        ((3,), ValueError, r"Received: input_shape=\(3,\), "),
        ({"a": 3, "b": (3,)}, TypeError, r"input_shape\['a'\] must be a shape, .*=3$"),
        ("3", TypeError, "input_shape must be a shape"),
    ],
)
def test_a_shape_that_the_model_does_not_take(shape, error, message):
    model = OfTwo()
    model({name: np.zeros((1, 3), "float32") for name in "ab"})
    with pytest.raises(error, match=message) as caught:
        contract_of(model, shape)
    assert len(str(caught.value).splitlines()) == 1


def test_a_refused_name_leaves_keras_as_it_was(tmp_path):
    model = WithoutGraph(name="my model")
    model(np.zeros((1, 3), "float32"))
    with pytest.raises(ExportError, match=r"must be of letters from A to Z.*Received: 'my model'"):
        keraskip.export_savedmodel(model, tmp_path / "out", input_shape=(3,))
    # Keras would be inside of the scope that TensorFlow has refused.
    later = layers.Dense(1, name="later")
    later.build((None, 3))
    assert later.kernel.path == "later/kernel"
