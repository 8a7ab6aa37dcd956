"""Models of any inputs and outputs are exported; the names of dicts stay in every format."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import keraskip
from keraskip import Artefact, ExportError
from keraskip.export.artefact.gate import compare, reference_of
from keraskip.export.network.contract import contract_of

tf = pytest.importorskip("tensorflow", reason="this environment has no TensorFlow")

pytestmark = [
    # LiteRT's converter and interpreter say so of each other.
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning"),
]
EXPORTERS = {
    "savedmodel": keraskip.export_savedmodel,
    "onnx": keraskip.export_onnx,
    "litert": keraskip.export_litert,
    "openvino": keraskip.export_openvino,
}
RUNTIMES = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "openvino": "openvino"}


def table_and_text():
    """Numbers and tokens of any length, each with a name; two named outputs."""
    age = keras.Input((4,), name="age")
    words = keras.Input((None,), dtype="int32", name="my-words")
    text = layers.GlobalAveragePooling1D()(layers.Embedding(50, 8, mask_zero=True)(words))
    x = layers.concatenate([layers.Normalization(mean=np.ones(4), variance=np.ones(4))(age), text])
    outputs = {"label": layers.Dense(3)(x), "box": layers.Dense(2)(x)}
    return keras.Model({"age": age, "my-words": words}, outputs)


def table_and_text_batch(count, length=7):
    random = np.random.default_rng(count)
    return {
        "age": random.normal(size=(count, 4)).astype("float32"),
        "my-words": random.integers(0, 50, (count, length)).astype("int32"),
    }


def nested():
    a, b, mask = keras.Input((3,)), keras.Input((3,)), keras.Input((2, 3), dtype="bool")
    x = keras.ops.cast(layers.Flatten()(mask), "float32")
    outputs = [layers.Add(name="sum")([a, b]), {"mask": layers.Dense(2)(x)}]
    return keras.Model({"pair": [a, b], "at": {"mask": mask}}, outputs)


def one_number():
    price = keras.Input((), name="price")
    return keras.Model(price, layers.Dense(2, name="out")(layers.Reshape((1,))(price)))


def volume():
    parts = [layers.Conv3D(3, 2), layers.GlobalAveragePooling3D(), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input((4, 6, 6, 2)), *parts])


def sequence():
    parts = [layers.Conv1D(3, 3), layers.GlobalAveragePooling1D(), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input((None, 2)), *parts])


def normalized():
    """A layer that keeps its numbers as constants, not as weights."""
    scale = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 2.0, 3.0])
    parts = [scale, layers.Flatten(), layers.Dense(2, name="out")]
    return keras.Sequential([keras.Input((16, 16, 3)), *parts])


ANY_RANK = {"one number": one_number, "volume": volume, "sequence": sequence, "table": normalized}


def exported(format, model, path, **options):
    if format in RUNTIMES:
        pytest.importorskip(RUNTIMES[format])
    return Artefact(EXPORTERS[format](model, path, **options))


@pytest.mark.parametrize(
    "format",
    ["savedmodel", "onnx", "openvino", pytest.param("litert", marks=pytest.mark.slow)],
)
def test_names_of_dicts_stay(tmp_path, format):
    model = table_and_text()
    artefact = exported(format, model, tmp_path / "out")
    assert [each.name for each in artefact.inputs] == ["age", "my_words"]
    assert {each.name for each in artefact.outputs} == {"label", "box"}
    for count in 1, 3, 32:
        batch = table_and_text_batch(count)
        wanted = model(batch)
        # As the model takes it, and by the names of the artefact.
        by_name = {"age": batch["age"], "my_words": batch["my-words"]}
        for found in artefact(batch), artefact(by_name):
            for name, values in wanted.items():
                np.testing.assert_allclose(found[name], values, atol=1e-5)
    assert {"padding", "other size"} <= {*artefact.card["parity"]}
    page = (tmp_path / "out" / "README.md").read_text()
    assert "| input `my_words` | any x any int32, 0 to 49 |" in page
    assert compare(artefact, model).keys() == artefact.card["parity"].keys()


def test_what_runs_by_its_own_runtime(tmp_path):
    """The line of the card is true."""
    path = keraskip.export_savedmodel(table_and_text(), tmp_path / "out")
    (line,) = [row for row in (path / "README.md").read_text().splitlines() if row[:4] == " " * 4]
    batch = table_and_text_batch(3)
    names = {"tensorflow": tf, "age": batch["age"], "my_words": batch["my-words"]}
    found = eval(line.strip().replace("FOLDER", str(path)), names)
    assert found["label"].shape == (3, 3)


@pytest.mark.parametrize(
    "format", ["savedmodel", *(pytest.param(each, marks=pytest.mark.slow) for each in RUNTIMES)]
)
def test_nested_inputs_and_outputs(tmp_path, format):
    model = nested()
    artefact = exported(format, model, tmp_path / "out")
    # Keras sorts the keys of dicts.
    assert [each.name for each in artefact.inputs] == ["at_mask", "pair_0", "pair_1"]
    assert [each.name for each in artefact.outputs] == ["sum", "output_1_mask"]
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    batch = {"pair": [a, b], "at": {"mask": np.random.default_rng(0).random((5, 2, 3)) < 0.5}}
    total, rest = model(batch)
    found = artefact(batch)
    np.testing.assert_allclose(found["sum"], total, atol=1e-6)
    np.testing.assert_allclose(found["output_1_mask"], rest["mask"], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        pytest.param(
            kind, format, marks=() if (kind, format) == ("table", "onnx") else pytest.mark.slow
        )
        for kind in ANY_RANK
        for format in EXPORTERS
    ],
)
def test_inputs_of_any_rank(tmp_path, kind, format):
    model = ANY_RANK[kind]()
    artefact = exported(format, model, tmp_path / "out")
    shape = [side or 9 for side in artefact.inputs[0].shape]
    for count in 1, 3:
        x = np.random.default_rng(0).normal(size=(count, *shape)).astype("float32")
        np.testing.assert_allclose(artefact(x)["out"], model(x), atol=1e-5)


@pytest.mark.parametrize("opset", [18, pytest.param(15, marks=pytest.mark.slow)])
def test_operations_that_tf2onnx_does_not_know(tmp_path, opset):
    """GELU; and from opset 18 the largest place, with Keras' order of zeros."""
    pytest.importorskip("onnxruntime")
    import onnx

    x = inputs = keras.Input((6,), name="x")
    x = layers.Dense(5, activation="gelu", name="exact")(x)
    x = keras.ops.gelu(x, approximate=True)
    outputs = [x, keras.ops.argmax(inputs, axis=-1)] if opset >= 18 else [x]
    model = keras.Model(inputs, outputs)
    path = keraskip.export_onnx(model, tmp_path / "out", opset=opset)
    assert onnx.load(path / "model.onnx").opset_import[0].version == opset
    batch = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    batch[0] = [-1, -0.0, 0.0, -0.0, 0.0, -2]
    batch[1] = [-np.inf, -0.0, -0.0, -1, -2, -0.0]
    wanted = keras.tree.flatten(model(batch))
    for found, right in zip(Artefact(path)(batch).values(), wanted, strict=True):
        np.testing.assert_allclose(found[2:], right[2:], atol=1e-6)
        if found.ndim == 1:
            np.testing.assert_array_equal(found, right)
            assert found[0] == 2


def test_convolutions_in_groups(tmp_path):
    """Keras hands them to XLA as functions, which tf2onnx does not open."""
    pytest.importorskip("onnxruntime")
    parts = [layers.Conv2D(8, 3, groups=4), layers.GlobalAveragePooling2D(name="out")]
    model = keras.Sequential([keras.Input((8, 8, 4)), *parts])
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype("float32")
    found = Artefact(keraskip.export_onnx(model, tmp_path / "out"))(x)["out"]
    np.testing.assert_allclose(found, model(x), atol=1e-5)
    assert not tf.config.functions_run_eagerly()


def test_an_opset_that_is_too_old(tmp_path):
    with pytest.raises(ValueError, match="opset must be at least 13"):
        keraskip.export_onnx(normalized(), tmp_path / "out", opset=9)


def test_strings(tmp_path):
    words = keras.Input((2,), dtype="string", name="words")
    x = layers.Embedding(6, 2)(layers.StringLookup(vocabulary=["a", "the"])(words))
    model = keras.Model(words, layers.Dense(2, name="out")(layers.Flatten()(x)))
    artefact = exported("savedmodel", model, tmp_path / "out")
    batch = [["a", "unheard-of"], ["the", "a"], ["", "the"]]
    wanted = model(tf.constant(batch))
    np.testing.assert_allclose(artefact(batch)["out"], wanted, atol=1e-6)
    with pytest.raises(ExportError, match=r"ONNX takes no strings; a SavedModel does.*words"):
        exported("onnx", model, tmp_path / "other")


class Subclassed(keras.Model):
    """A model of a dict that has no graph."""

    def __init__(self):
        super().__init__()
        self.embedding, self.dense = layers.Embedding(9, 3), layers.Dense(2)

    def call(self, x):
        return {"y": self.dense(self.embedding(x["ids"])[:, 0] + x["n"]), "n": x["n"]}


def test_a_subclassed_model_of_known_inputs(tmp_path):
    model = Subclassed()
    batch = {"ids": np.array([[8, 0]], "int32"), "n": np.ones((1, 3), "float32")}
    wanted = model(batch)
    inputs = {"ids": keras.KerasTensor((None, None), "int32"), "n": (3,)}
    artefact = exported("savedmodel", model, tmp_path / "out", input_shape=inputs)
    found = artefact(batch)
    # An output with the name of an input has another one.
    assert list(found) == ["n_output", "y"]
    np.testing.assert_allclose(found["y"], wanted["y"], atol=1e-6)
    assert compare(artefact, model)


REFUSED = {
    "an array": (np.zeros((2, 4)), "Received: an array"),
    "three arrays": ([np.zeros((2, 4))] * 3, "Received: 3 arrays"),
    "a name mistyped": ({"age": np.zeros((2, 4)), "word": np.zeros((2, 5))}, r"\['age', 'word'\]"),
    "another name": ({"age": np.zeros((2, 4)), "word": 0, "z": 0}, r"Received: \['age', 'word'"),
    "another shape": ({"age": np.zeros((2, 5)), "my_words": np.zeros((2, 5))}, r"\[2, 5\]"),
    "other counts": ({"age": np.zeros((2, 4)), "my_words": np.zeros((3, 5))}, r"\[3, 5\]"),
    "nothing": ({"age": np.zeros((0, 4)), "my_words": np.zeros((0, 5))}, r"\[0, 4\]"),
}


@pytest.fixture(scope="module")
def artefact(tmp_path_factory):
    return exported("savedmodel", table_and_text(), tmp_path_factory.mktemp("inputs") / "out")


@pytest.mark.parametrize("case", REFUSED)
def test_samples_that_do_not_fit(artefact, case):
    samples, received = REFUSED[case]
    with pytest.raises(ValueError, match=received) as error:
        artefact(samples)
    assert "age [any, 4] float32; my_words [any, any] int32" in str(error.value)


def test_image_files_are_for_networks_of_images(artefact, tmp_path):
    with pytest.raises(ValueError, match=r"only input is an image. Received: inputs age"):
        artefact.read(tmp_path / "image.png")


class Counting(layers.Layer):
    """Counts its calls outside of a graph."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def call(self, x):
        self.calls += 1
        return keras.ops.reshape(x, (-1, 14))


def test_samples_tell_the_open_side_at_once():
    """No other side is tried, and an error of the samples themselves is told as such."""
    layer = Counting()
    x = keras.Input((None, 2))
    contract = contract_of(keras.Model(x, layer(x)))
    samples = {contract.inputs[0].name: np.ones((2, 5, 2), "float32")}
    before = layer.calls
    with pytest.raises(ExportError, match="cannot run samples of kind real") as error:
        reference_of(keras.Model(x, layer(x)), contract, samples)
    assert layer.calls <= before + 5
    assert "samples=" not in str(error.value)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others have no strings")
def test_a_layer_that_announces_numbers_and_gives_strings(tmp_path):
    x = keras.Input((2,), dtype="int64", name="x")
    words = layers.StringLookup(vocabulary=["a", "b"], invert=True, name="words")(x)
    model = keras.Model(x, words)
    artefact = exported("savedmodel", model, tmp_path / "out")
    assert [each.dtype for each in artefact.outputs] == ["string"]
    assert artefact(np.array([[1, 2]]))["words"].tolist() == [[b"a", b"b"]]
    assert compare(artefact, model)["noise"] == 0


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_samples_in_a_dict_with_numbers_as_keys(tmp_path):
    """JSON makes strings of them; on JAX and PyTorch Keras' file does, too."""
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({1: a, 2: b}, layers.Subtract(name="out")([a, b]))
    samples = {2: np.ones((3, 2), "float32"), 1: np.zeros((3, 2), "float32")}
    if keras.backend.backend() != "tensorflow":
        with pytest.raises(ExportError, match="need strings as keys"):
            exported("savedmodel", model, tmp_path / "out", samples=samples)
        return
    artefact = exported("savedmodel", model, tmp_path / "out", samples=samples)
    np.testing.assert_array_equal(artefact(samples)["out"], -np.ones((3, 2)))


def test_an_open_side_that_nothing_fits(tmp_path):
    """Where the usual sides fail, samples tell one that the model takes."""
    model = keras.Sequential([keras.Input((None, 2)), layers.Reshape((7, 2)), layers.Flatten()])
    with pytest.raises(ExportError, match="an export needs samples= that it takes"):
        exported("savedmodel", model, tmp_path / "out")
    samples = np.ones((2, 7, 2), "float32")
    artefact = exported("savedmodel", model, tmp_path / "out", samples=samples)
    assert artefact(samples)[artefact.outputs[0].name].shape == (2, 14)
    # Timed on what it takes, too.
    assert artefact.milliseconds(2) > 0


def test_numbers_that_the_model_cannot_look_up(tmp_path):
    ids = keras.Input((3,), dtype="int32", name="ids")
    looked_up = layers.Rescaling(1, 100, dtype="int32")(ids)
    model = keras.Model(ids, layers.Embedding(10, 2, name="embedding")(looked_up))
    with pytest.raises(ExportError, match=r"cannot run samples of kind .*samples= may show"):
        exported("savedmodel", model, tmp_path / "out")
    samples = np.array([[-100, -99, -91], [-95, -91, -100]], "int32")
    artefact = exported("savedmodel", model, tmp_path / "out", samples=samples)
    np.testing.assert_allclose(artefact(samples)["embedding"], model(samples), atol=1e-6)
    with pytest.raises(ExportError, match="cannot run samples of kind real") as error:
        exported("savedmodel", model, tmp_path / "other", samples=np.zeros((1, 3), "int32"))
    assert "samples=" not in str(error.value)


def test_a_limit_holds_for_the_values_that_are_looked_up():
    ids = keras.Input((3,), dtype="int32", name="ids")
    for taken, limit in ((layers.Reshape((3, 1))(ids), 10), (ids + 1, None)):
        model = keras.Model(ids, layers.Embedding(10, 2)(taken))
        assert contract_of(model).inputs[0].below == limit


def test_names_are_of_ascii_letters():
    x = keras.Input((2,), name="gr\u00f6\u00dfe")
    model = keras.Model(x, layers.Dense(1, name="out")(x))
    assert [each.name for each in contract_of(model).inputs] == ["gr__e"]


def test_two_keys_that_become_one_name(tmp_path):
    a, b = keras.Input((2,), name="a-b"), keras.Input((2,), name="a_b")
    model = keras.Model({"a-b": a, "a_b": b}, layers.Add(name="1st")([a, b]))
    artefact = exported("savedmodel", model, tmp_path / "out")
    assert [each.name for each in artefact.inputs] == ["input_0", "input_1"]
    assert [each.name for each in artefact.outputs] == ["output_1st"]
    one, other = np.arange(12, dtype="float32").reshape(2, 3, 2)
    for samples in {"a-b": one, "a_b": other}, {"input_0": one, "input_1": other}, [one, other]:
        np.testing.assert_array_equal(artefact(samples)["output_1st"], one + other)


@pytest.mark.parametrize(
    "format", ["savedmodel", *(pytest.param(each, marks=pytest.mark.slow) for each in RUNTIMES)]
)
@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (("class", "for"), ["input_class", "input_for"]),
        pytest.param(("None", "self"), ["input_None", "input_self"], marks=pytest.mark.slow),
        # TensorFlow takes them for one.
        pytest.param(("A", "a"), ["input_0", "input_1"], marks=pytest.mark.slow),
    ],
)
def test_names_that_no_argument_can_have(tmp_path, format, keys, names):
    parts = [keras.Input((2,), name=key) for key in keys]
    outputs = {key: layers.Rescaling(2)(part) for key, part in zip(keys, parts, strict=True)}
    model = keras.Model(dict(zip(keys, parts, strict=True)), outputs)
    artefact = exported(format, model, tmp_path / "out")
    assert [each.name for each in artefact.inputs] == names
    samples = {key: np.full((3, 2), number) for number, key in enumerate(keys)}
    for number, found in enumerate(artefact(samples).values()):
        np.testing.assert_array_equal(found, np.full((3, 2), 2 * number))


def test_an_output_is_not_lost_to_the_name_of_another():
    a, b = keras.Input((2,), name="n"), keras.Input((2,), name="m")
    model = keras.Model({"n": a, "m": b}, {"n": a + b, "n_output": a - b})
    assert {each.name for each in contract_of(model).outputs} == {"n_output_output", "n_output"}


def test_plain_lists_are_arrays(tmp_path):
    """Wherever they lie, also where the model has a dict or a list of one input."""
    x = keras.Input((2,), name="x")
    for nesting, samples in (({"x": x}, {"x": [[1, 2]]}), ([x], [[1, 2]]), ([x], [[[1, 2]]])):
        artefact = exported(
            "savedmodel", keras.Model(nesting, layers.Rescaling(2, name="y")(x)), tmp_path / "out",
            overwrite=True,
        )  # fmt: skip
        np.testing.assert_array_equal(artefact(samples)["y"], [[2, 4]])


NO_SUCH_NUMBERS = {
    "a fraction": ([[1.5, 2]], "1.5 for 'my_words', which is int32"),
    "no number": ([[np.nan, 2]], "nan for 'my_words', which is int32"),
    "too large": ([[2**40, 2]], "1099511627776 for 'my_words', which is int32"),
    "a word": ([["the", "a"]], "values of type <U3 for 'my_words'"),
    "lists of lengths": ([[1], [2, 3]], "lists of several lengths for 'my_words'"),
}


@pytest.mark.parametrize("case", NO_SUCH_NUMBERS)
def test_numbers_that_an_input_cannot_have(artefact, case):
    values, received = NO_SUCH_NUMBERS[case]
    with pytest.raises(ValueError, match=f"Received: {received}"):
        artefact({"age": np.zeros((len(values), 4)), "my_words": values})
    # Whole numbers may come as floats.
    assert artefact({"age": np.zeros((1, 4)), "my_words": [[1.0, 2.0]]})["label"].shape == (1, 3)


def test_the_card_is_json_with_all_inputs(artefact):
    card = json.loads((artefact.path / "model_card.json").read_text())
    assert card["inputs"][1] == {
        "name": "my_words", "shape": [None, None], "dtype": "int32", "below": 50,
    }  # fmt: skip
    assert artefact.milliseconds(2) > 0
