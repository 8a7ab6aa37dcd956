"""Saved networks of any depth load without more ado, and code in a file does not run."""

import inspect
import json
import os
import sys
import zipfile
from contextlib import contextmanager
from threading import Event, Thread

import keras
import numpy as np
import pytest
from test_cli import called

from keraskip import build_densenet, build_plain, build_resnet, load_model
from keraskip.models.large_graphs import RECURSION_LIMIT, connect, deep_graphs

# Keras saves and calls layers with fewer frames; a walk through the chain needs one for each layer.
FRAMES, LAYERS = 150, 160


@contextmanager
def few_frames():
    """A limit near to what the test has used, so that a short chain stands for a long one."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + FRAMES)
    try:
        yield sys.getrecursionlimit()
    finally:
        sys.setrecursionlimit(usual)


@pytest.fixture(scope="module")
def chain():
    """A graph that is deeper than the few frames."""
    x = images = keras.Input((8, 8, 1))
    for _ in range(LAYERS):
        x = keras.layers.Identity()(x)
    return connect(images, x, "chain")


def test_a_network_deeper_than_python_recurses_is_loaded(chain, tmp_path):
    file = tmp_path / "deep.keras"
    chain.save(file)
    with few_frames() as limit:
        with pytest.raises(RecursionError):
            keras.models.load_model(file)
        assert len(load_model(file).layers) == LAYERS + 1
        assert sys.getrecursionlimit() == limit


def test_a_network_behind_deep_layers_is_built(chain):
    with few_frames():
        model = build_plain(None, stage_blocks=(1,), filters=(4,), input_tensor=chain.output)
    assert model.inputs[0] is chain.inputs[0]


def test_a_network_behind_many_merges_is_built():
    """Keras' own search for the input walks each of the 2**60 ways through these."""
    x = images = keras.Input((8, 8, 1))
    for _ in range(60):
        x = keras.layers.Add()([x, x])
    assert build_plain(None, stage_blocks=(1,), filters=(4,), input_tensor=x).inputs == [images]


def test_the_last_thread_puts_the_limit_back():
    usual, entered, leave = sys.getrecursionlimit(), Event(), Event()

    def stay():
        with deep_graphs():
            entered.set()
            leave.wait()

    other = Thread(target=stay)
    with deep_graphs():
        other.start()
        entered.wait()
    assert sys.getrecursionlimit() == RECURSION_LIMIT
    leave.set()
    other.join()
    assert sys.getrecursionlimit() == usual


def test_code_in_a_file_runs_only_if_asked_for(tmp_path):
    images = keras.Input((2,))
    ours = keras.layers.Lambda(lambda x: x + 1, output_shape=(2,))
    keras.Model(images, ours(images)).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match="safe_mode=False"):
        load_model(tmp_path / "code.keras")
    loaded = load_model(tmp_path / "code.keras", safe_mode=False)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(np.zeros((1, 2)))), [[1, 1]])


class Unknown(keras.layers.Layer):
    """A layer that Keras does not find by itself."""

    def call(self, x):
        """What comes in."""
        return x


def test_arguments_reach_keras(tmp_path):
    images = keras.Input((2,))
    model = keras.Model(images, Unknown()(images))
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")

    class Known(Unknown):
        pass

    known = {"Unknown": Known}
    loaded = load_model(tmp_path / "model.keras", known, compile=False)
    assert isinstance(loaded.layers[1], Known)
    assert not loaded.compiled
    assert load_model(tmp_path / "model.keras", known).compiled


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.keras").write_text("not a zip")
    np.savez(tmp_path / "other.npz", a=1)
    (tmp_path / "other.npz").rename(tmp_path / "other.keras")
    for name in "text.keras", "other.keras":
        with pytest.raises(ValueError, match=rf"whole .keras file.*{name}'"):
            load_model(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no file .*missing\.keras"):
        load_model(tmp_path / "missing.keras")
    with pytest.raises(ValueError, match="File format not supported"):
        load_model(tmp_path)
    with pytest.raises(TypeError, match="path=3"):
        load_model(3)


WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of each part of a file."""
    file = tmp_path_factory.mktemp("whole") / "small.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def flipped(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize(
    ("where", "change", "message"),
    [
        ("file", lambda data, at: flipped(data, at + 100), f"is damaged in '{WEIGHTS}'"),
        ("file", lambda data, at: flipped(data, data.index(b"PK\1\2")), "is damaged .*directory"),
        ("file", lambda data, at: flipped(data, data.index(b"PK\1\2") + 11), "compression"),
        ("file", lambda data, at: data[:-1], "is cut"),
        (WEIGHTS, lambda data, at: data[: len(data) // 2], r"cannot be loaded \(OSError"),
        (WEIGHTS, lambda data, at: None, f"has no {WEIGHTS}"),
    ],
    ids=["weights", "directory", "method", "cut", "half", "none"],
)
def test_damaged_files_are_refused_in_one_sentence(content, tmp_path, where, change, message):
    file = tmp_path / "damaged.keras"
    parts = dict(content)
    if where == WEIGHTS:
        parts[WEIGHTS] = change(parts[WEIGHTS], 0)
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            if data is not None:
                archive.writestr(name, data)
    if where == "file":
        whole = file.read_bytes()
        file.write_bytes(change(whole, whole.index(parts[WEIGHTS])))
    with pytest.raises(ValueError, match=rf"damaged\.keras'.*{message}") as said:
        load_model(file)
    assert "\n" not in str(said.value)


def with_config(content, change):
    """The parts of a file with another configuration."""
    config = json.loads(content["config.json"])
    change(config)
    return content | {"config.json": json.dumps(config).encode()}


def dense(config):
    return config["config"]["layers"][1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: parts | {"config.json": b"{"}, "damaged config.json"),
        (lambda parts: parts | {"config.json": b"[" * 10**5}, "damaged config.json"),
        (lambda parts: parts | {"config.json": b'{"a":' * 200 + b"1" + b"}" * 200}, "100 levels"),
        (lambda parts: parts | {"config.json": b"3"}, "not an object"),
        (lambda parts: parts | {"config.json": b"{}"}, "cannot be loaded"),
        (lambda parts: parts | {"config.json": bytes(2**26 + 1)}, "at most 67,108,864"),
        (lambda parts: parts | {"assets/a": bytes(2**28)}, "unpack to 100 times its size"),
        (lambda parts: {WEIGHTS: parts[WEIGHTS]}, "has no config.json"),
        (lambda parts: with_config(parts, lambda c: c.pop("class_name")), "cannot be loaded"),
        (lambda parts: with_config(parts, lambda c: c.update(config=7)), "cannot be loaded"),
        (lambda parts: with_config(parts, lambda c: dense(c).clear()), "cannot be loaded"),
        (
            lambda parts: with_config(parts, lambda c: dense(c)["config"].update(units=-1)),
            r"cannot be loaded \(TypeError\)",
        ),
        (
            lambda parts: with_config(parts, lambda c: dense(c)["config"].update(units=10**15)),
            "a layer of 1,000,000,000,000,000 units, but no weights for them",
        ),
    ],
)
def test_a_file_that_asks_for_the_impossible_is_one_line(content, tmp_path, change, message):
    file = tmp_path / "odd.keras"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in change(dict(content)).items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message) as said:
        load_model(file)
    assert str(file) in str(said.value)
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 700
    done = called("predict", file, "image.png")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"a.{suffix}")
    with pytest.raises(ValueError, match="which is a pipe"):
        load_model(tmp_path / f"a.{suffix}")


def test_a_damaged_file_of_a_former_keras_is_one_line(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no h5")
    with pytest.raises(ValueError, match=r"a\.h5' cannot be loaded \(OSError\)") as said:
        load_model(tmp_path / "a.h5")
    assert "\n" not in str(said.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        lambda: build_resnet(
            variant="preact", block="bottleneck", stage_blocks=(111,) * 3, filters=(1, 1, 1)
        ),
        lambda: build_plain(344, filters=(1, 1, 1)),
        lambda: build_densenet(40, 1, memory_efficient=True),
    ],
    ids=["preact_resnet1001", "plain344", "densenet40"],
)
def test_deep_and_narrow_networks(build, tmp_path):
    model = build()
    model.save(tmp_path / "deep.keras")
    loaded = load_model(tmp_path / "deep.keras")
    assert [weight.path for weight in loaded.weights] == [weight.path for weight in model.weights]
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
