"""Studies that cannot be trained: refused at once, once, in a sentence, before Keras is loaded."""

import inspect
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest
from nasty import NAMES
from typer.testing import CliRunner

import keraskip
from keraskip.cli import app
from keraskip.data.known import check_dataset
from keraskip.models import choices, residual_layout, shortcuts
from keraskip.study import Trial, check_study, on_ray, run_study
from keraskip.study.arguments import ARGUMENTS, DECIDED, USUAL
from keraskip.study.mlp import build_mlp
from keraskip.study.names import check_file_name
from keraskip.study.ray_address import NO_SETTINGS, PREFACE

# Names of folders that would lie elsewhere, or nowhere on some system, and a name that is right.
BAD_NAMES = {
    "..": "mine",
    ".": "mine",
    "": "mine",
    "a/b": "a_b",
    "/tmp": "tmp",
    "a\\b": "a_b",
    ".hidden": "hidden",
    "a.": "a",
    "a ": "a",
    "a:b": "a_b",
    "con": "my_con",
    "COM1.x": "my_COM1.x",
    "x" * 201: "x" * 50,
    "é" * 101: "é" * 50,
    "a\x1b[2J": "a_2J",
    5: "5",
}


@pytest.mark.parametrize(("name", "near"), BAD_NAMES.items())
def test_a_name_that_is_no_folder_is_refused_and_a_right_one_named(name, near, tmp_path):
    with pytest.raises(ValueError, match=r"name must .*Received: name=") as caught:
        check_study([Trial(name, "plain", {"depth": 8})], tmp_path)
    message = str(caught.value)
    assert message.endswith(f"(nearest: {near!r})")
    assert message.isprintable()
    check_file_name("name", near)


def test_a_nasty_name_names_a_folder_inside_or_is_refused(tmp_path):
    accepted = 0
    for name in NAMES.values():
        try:
            check_study([Trial(name, "plain", {"depth": 8})], tmp_path / "study")
        except ValueError:
            continue
        accepted += 1
        assert name.isprintable()
        (tmp_path / "study" / name).mkdir()
    assert 0 < accepted == len(list((tmp_path / "study").iterdir()))
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize(
    ("names", "beside"),
    [
        (["a", "A"], "'A' beside 'a'"),
        (["é", "e\u0301"], "beside 'é'"),
        (["STRASSE", "straße"], "'straße' beside 'STRASSE'"),
        (["report.html"], "'report.html' beside 'report.html'"),
        (["Report.HTML"], "'Report.HTML' beside 'report.html'"),
    ],
)
def test_names_that_are_one_folder_on_some_system_are_refused(names, beside, tmp_path):
    with pytest.raises(ValueError, match=beside):
        run_study([Trial(name, "plain", {"depth": 8}) for name in names], tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


def test_a_study_goes_on_whose_folders_no_other_system_could_have(tmp_path):
    names = ["a:b", "what?", "<x>*", "con", "Plain", "plain"]
    trials = [Trial(name, "plain", {"depth": 8}) for name in names]
    for name in names[:-1]:
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="'plain' beside 'Plain'"):
        check_study(trials, tmp_path)
    (tmp_path / "plain").mkdir()
    assert check_study(trials, tmp_path) == set()
    (tmp_path / "a.:b.py").write_text("trials = []")
    (tmp_path / "runs" / "a.:b").mkdir(parents=True)
    options = ["--study", str(tmp_path / "a.:b.py"), "--out", str(tmp_path / "runs")]
    shown = CliRunner().invoke(app, ["compare", *options])
    assert "must define `trials`" in shown.output


BUILDERS = {
    "plain": keraskip.build_plain,
    "resnet": keraskip.build_resnet,
    "densenet": keraskip.build_densenet,
    "mlp": build_mlp,
}


@pytest.mark.parametrize("family", BUILDERS)
def test_the_arguments_are_those_of_the_builder(family):
    arguments = {*inspect.signature(BUILDERS[family]).parameters}
    assert arguments - {*DECIDED} == {*ARGUMENTS[family]}


def test_the_choices_are_those_of_the_builders():
    assert tuple(shortcuts.SHORTCUTS) == choices.SHORTCUTS
    assert tuple(residual_layout.BLOCKS) == choices.BLOCKS
    for argument, known in (
        ("activation", keras.activations),
        ("kernel_initializer", keras.initializers),
    ):
        assert all(map(known.get, USUAL[argument]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nope": 1}, r"'plain' no argument, of this name. Received: nope=1"),
        ({"varaint": "v1"}, r"varaint='v1' \(nearest: variant\)"),
        ({"variant": 0}, r"\('v1', 'v1.5', 'preact'\).*variant=0"),
        ({"depth": "8"}, "depth='8'"),
        ({"depth": 2**31}, r"at most 2147483647.*depth=2147483648"),
        ({"stage_blocks": 3}, "stage_blocks=3"),
        ({"filters": [16, 2.5]}, r"filters\[1\]=2.5"),
        ({"classes": 2**31}, "follows from the data set.*classes=2147483648"),
        ({"include_top": False}, "trains a classifier.*include_top=False"),
        ({"weights": 1}, "weights=1"),
        ({"name": "my model"}, "letters from A to Z.*name='my model' .nearest: 'my_model'"),
        ({"prefix": "a b"}, "prefix='a b'"),
        ({"activation": "rellu"}, r"activation='rellu' \(nearest: relu"),
        ({"kernel_initializer": 3}, "kernel_initializer=3"),
    ],
)
def test_an_argument_that_no_builder_takes_is_refused_before_any_training(
    arguments, message, tmp_path
):
    with pytest.raises((ValueError, TypeError), match=message):
        check_study([Trial("mine", "plain", arguments)], tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": 2**32}, r"seed must be at most 4294967295. Received: seed=4294967296"),
        ({"epochs": 2**31}, "epochs must be at most"),
        ({"batch_size": 10**30}, "batch_size must be at most"),
        ({"image_size": 2**20}, "image_size must be at most"),
        ({"dataset": 5}, "dataset must be a name. Received: dataset=5"),
        ({"arguments": [1]}, r"arguments must be a dictionary. Received: arguments=\[1\]"),
        ({"skips": "add"}, "skips must be a dictionary. Received: skips='add'"),
    ],
)
def test_a_value_out_of_range_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Trial("mine", "plain", **values)
    with pytest.raises(ValueError, match="network must be a name"):
        Trial("mine", 5)


REFUSED = [
    (["--set", "variant=0"], "variant=0"),
    (["--set", "nope=1"], "nope=1"),
    (["--seeds", "4294967296"], "seed=4294967296"),
    (["--set", "classes=2147483648"], "classes=2147483648"),
    (["--set", "depth=2.5"], "depth=2.5"),
    (["--set", "batch_size=x"], "batch_size='x'"),
]


def test_the_command_refuses_in_one_line_and_writes_nothing(tmp_path):
    for options, received in REFUSED:
        shown = CliRunner().invoke(app, ["compare", "--out", str(tmp_path / "runs"), *options])
        assert shown.exit_code == 2
        assert f"Received: {received}" in shown.output
        assert shown.output.count("\n") == 1
    (tmp_path / "...py").write_text("raise SystemExit")
    for command, rule in (["compare", "--study"], "plain file name"), (["record"], "dot"):
        shown = CliRunner().invoke(app, [*command, str(tmp_path / "...py")])
        assert shown.exit_code == 2
        assert rule in shown.output
    assert [path.name for path in tmp_path.iterdir()] == ["...py"]


WITHOUT_KERAS = f"""
import sys
from typer.testing import CliRunner
from keraskip.cli import app
for options, _ in {REFUSED}:
    assert CliRunner().invoke(app, ["compare", *options]).exit_code == 2
assert not {{"keras", "tensorflow", "tensorflow_datasets"}} & {{*sys.modules}}
"""


def test_it_refuses_before_keras_is_loaded(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(keraskip.__file__).parents[1])}
    command = [sys.executable, "-c", WITHOUT_KERAS]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("nope", "dataset='nope'"),
        ("cifar11", r"dataset='cifar11' \(nearest: .*cifar10"),
        ("tfds:nope/config", "dataset='tfds:nope/config'"),
        ("huggingface_utils", "dataset='huggingface_utils'"),
        ("image_folders", r"dataset='image_folders' \(nearest: (?!.*image_folder\b)"),
        ("folder:no/where", "There is no no/where"),
        ("npz:no.npz", "There is no no.npz"),
    ],
)
@pytest.mark.skipif(not find_spec("tensorflow_datasets"), reason="no tensorflow-datasets")
def test_a_data_set_that_is_not_there_is_refused_before_any_is_loaded(
    dataset, message, tmp_path, monkeypatch
):
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        check_study([Trial("mine", "plain", {"depth": 8}, dataset)], tmp_path / "study")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["digits", "cifar10", "tfds:fashion_mnist", "imagenet2012/5.1.0"])
def test_a_data_set_that_may_be_there_is_not_refused(name, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    assert check_study([Trial("mine", "plain", {"depth": 8}, name)], tmp_path) == set()


@pytest.mark.skipif(not find_spec("tensorflow_datasets"), reason="no tensorflow-datasets")
def test_a_set_that_a_script_adds_to_tensorflow_datasets_is_not_refused(tmp_path):
    import tensorflow_datasets

    class MySquares(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")
        _info = _split_generators = _generate_examples = None

    assert MySquares.name in tensorflow_datasets.list_builders()
    trials = [Trial("mine", "plain", {"depth": 8}, MySquares.name)]
    assert check_study(trials, tmp_path) == set()


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("tensorflow_datasets"), reason="no tensorflow-datasets")
def test_each_set_of_images_has_a_file_of_its_name(monkeypatch):
    import tensorflow_datasets

    known = tensorflow_datasets.list_builders()
    kinds = {name: tensorflow_datasets.builder_cls(name) for name in known}
    parts = {"image_classification", "datasets"}
    names = [name for name, kind in kinds.items() if parts & {*kind.__module__.split(".")}]
    assert len(names) > 80
    monkeypatch.delitem(sys.modules, "tensorflow_datasets")
    for name in names:
        check_dataset(name)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_another_server_at_the_address_of_ray_is_refused(answer, monkeypatch):
    """One that hangs up, one of HTTP/1, and one that is silent."""
    monkeypatch.setattr("keraskip.study.ray_address.SECONDS_TO_ANSWER", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def serve():
            connection, _ = server.accept()
            if answer is None:
                return connection
            with connection, connection.makefile("rb") as greeting:
                # All of it, or else to hang up would take the answer back.
                greeting.read(len(PREFACE + NO_SETTINGS))
                connection.sendall(answer)

        served = pool.submit(serve)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        message = "timed out" if answer is None else "another server answers"
        with pytest.raises(ConnectionError, match=f"address='{address}': {message}"):
            on_ray(address)
        if kept := served.result():
            kept.close()


HAS_RAY = pytest.mark.skipif(not find_spec("ray"), reason="this environment has no Ray")


@HAS_RAY
@pytest.mark.parametrize("address", ["10.255.255.1", "ray://10.255.255.1", "", "host:"])
def test_an_address_of_ray_without_a_port_is_refused(address):
    with pytest.raises(ConnectionError, match=f"address='{address}': it is not HOST:PORT"):
        on_ray(address)


@HAS_RAY
def test_nobody_answers_at_the_address_that_the_environment_has(free_port, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port}")
    message = f"address='auto', which is '127.0.0.1:{free_port}' here: .*refused"
    with pytest.raises(ConnectionError, match=message):
        on_ray()


@HAS_RAY
def test_nobody_answers_where_the_last_cluster_was(free_port, tmp_path, monkeypatch):
    # Other clusters may run on this machine meanwhile, and Ray would rather take one.
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", list)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(ConnectionError, match="address='auto': Could not find any running Ray"):
        on_ray()
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{free_port}")
    with pytest.raises(ConnectionError, match=f"address='auto', which is '.*:{free_port}' here"):
        on_ray()


@HAS_RAY
def test_nobody_answers_at_the_address_of_ray(free_port, tmp_path):
    for address in f"127.0.0.1:{free_port}", f"ray://127.0.0.1:{free_port}", "127.0.0.1:99999":
        with pytest.raises(ConnectionError, match=f"ray start --head.*address='{address}'"):
            on_ray(address)
    options = ["--ray", f"127.0.0.1:{free_port}", "--out", str(tmp_path)]
    shown = CliRunner().invoke(app, ["compare", *options])
    assert shown.exit_code == 2
    assert shown.output.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
