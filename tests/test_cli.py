"""The command as it is typed."""

import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import typer
from test_data import SHARED
from test_report import runs  # noqa: F401

from keraskip.cli.terminal import bad_input_in_one_line, ending_with_its_reader
from keraskip.runs import load_run

KERASKIP = Path(sys.executable).with_name("keraskip")


def keraskip(*arguments, cwd=None):
    """The command as it is typed, in a process of its own."""
    return subprocess.run([KERASKIP, *arguments], capture_output=True, text=True, cwd=cwd)


def called(*arguments, cwd=None):
    """The same command within this process, which has its imports behind it."""
    from keraskip.cli import app

    stdout, stderr = StringIO(), StringIO()
    with (
        chdir(cwd or "."),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
        pytest.raises(SystemExit) as ended,
    ):
        app([str(argument) for argument in arguments])
    code = ended.value.code or 0
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


FRAMEWORKS = {"keras", "tensorflow", "jax", "torch"}
# Each takes a tenth of a second or more, of the two that a small report may take in all.
HEAVY = {"altair", "narwhals", "jsonschema", "sklearn", "matplotlib", "IPython", "requests",
         "scipy.stats", "scipy.optimize", "scipy.linalg"}  # fmt: skip


def test_report_prints_a_table_and_last_the_path_and_loads_nothing_heavy(runs, tmp_path):  # noqa: F811
    typed = [KERASKIP, "report", *runs, "--out", tmp_path / "out.html"]
    # The last column of what Python then says of an import is the module's name.
    told = [sys.executable, "-X", "importtime", *typed]
    done = subprocess.run(told, capture_output=True, text=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "keraskip.report" in loaded
    assert not loaded & (FRAMEWORKS | HEAVY)
    assert done.returncode == 0
    assert "vanishing" in done.stdout
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out.html")
    assert (tmp_path / "out.html").is_file()


def test_a_command_ends_without_a_word_once_nobody_reads(monkeypatch):
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        quietly = bad_input_in_one_line(), ending_with_its_reader()
        with pytest.raises(typer.Exit) as ended, quietly[0], quietly[1]:
            print("a line")
        assert ended.value.exit_code == 141
        # Also what Python still holds back at its end.
        print("another line", flush=True)


@pytest.mark.slow
def test_report_ends_without_a_word_once_nobody_reads(runs, tmp_path):  # noqa: F811
    typed = [KERASKIP, "report", *runs, "--out", tmp_path / "out.md"]
    with subprocess.Popen(
        typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as going:
        going.stdout.close()
        assert going.wait() == 141
        assert going.stderr.read() == ""


def modules_loaded_by(*commands):
    """All that the commands, one after the other, have imported by their end."""
    script = f"""
import sys
for arguments in {[list(map(str, arguments)) for arguments in commands]}:
    sys.argv = ["keraskip", *arguments]
    try:
        import keraskip.cli; keraskip.cli.app()
    except SystemExit:
        pass
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done.stdout, set(done.stdout.split("\n")[-2].split())


def test_help_loads_next_to_nothing():
    commands = "compare", "record", "report", "list", "describe", "export", "check", "predict"
    said, loaded = modules_loaded_by(["--help"], *([command, "--help"] for command in commands))
    assert said.count("Usage: ") == 1 + len(commands)
    assert not loaded & {"tensorflow", "keras", "numpy", "pandas", "pyarrow", "altair"}


BAD_INPUT = [
    (["compare", "--study", "nothing"], "study='nothing'"),
    (["compare", "--depths", "20,57"], "depth=57 (nearest: 56, 62)"),
    (["compare", "--depths", "deep"], "'deep'"),
    (["compare", "--epochs", "0"], "epochs=0"),
    (["compare", "--seeds", "1,1"], "[1, 1]"),
    (["compare", "--set", "epochs"], "'epochs'"),
    (["compare", "--set", "batch_size=many"], "batch_size='many'"),
    (["compare", "--dataset", "npz:missing.npz"], "missing.npz"),
    (["compare", "--jobs", "0"], "jobs=0"),
    (["compare", "--study", "mine.py"], "mine.py"),
    (["compare", "--out", "file/runs"], "file/runs"),
    (["report", "missing"], "missing"),
    (["report", "empty"], "empty"),
    (["report", "file"], "file"),
    (["report", "run", "--out", "file/report.html"], "file/report.html"),
    (["report", "run", "--out", "report.docx"], "report.docx"),
]
# Of those above, one that loads Keras and TensorFlow, which would say more.
LOADS_KERAS = BAD_INPUT[7]


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        *((called, *case) for case in BAD_INPUT),
        pytest.param(keraskip, *LOADS_KERAS, marks=pytest.mark.slow),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path,
    runs,  # noqa: F811
    command,
    arguments,
    message,
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    os.symlink(runs[0], tmp_path / "run")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


STUDY = """
from keraskip.study import Trial

small = {"depth": 8, "filters": (4, 8, 16)}
trials = [
    Trial(network, network, small, epochs=6, batch_size=256) for network in ("plain", "resnet")
]
"""


# Python runs a module of this name when it starts, here in the processes that train.
KILLING = """
import os, signal, sys, threading

def at_the_third_checkpoint(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith("plain/checkpoints/epoch_00003.npz"):
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait()

sys.addaudithook(at_the_third_checkpoint)
"""


@pytest.mark.slow
def test_compare_trains_side_by_side_and_after_a_kill_goes_on(tmp_path):
    (tmp_path / "mine.py").write_text(STUDY)
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(KILLING)
    command = [KERASKIP, "compare", "--study", "mine.py", "--jobs", "2", "--out", "out"]
    folder = tmp_path / "out" / "mine"
    paths = os.pathsep.join([str(tmp_path / "hooks"), os.environ.get("PYTHONPATH", "")])
    # The processes that train have the same output: when it ends, all of them have.
    first = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert first.returncode == -signal.SIGKILL

    killed = keraskip("report", folder, "--out", tmp_path / "killed.html")
    assert killed.returncode == 0
    assert "plain" in killed.stdout

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "out/mine/report.html"
    assert "epochs" not in done.stdout
    rows = [line.split()[0] for line in done.stdout.splitlines() if " healthy " in line]
    assert rows == ["plain", "resnet"]
    trained = [load_run(folder / name) for name in ("plain", "resnet")]
    assert all(run.epochs["epoch"].tolist() == list(range(6)) for run in trained)
    assert all(run.steps.tolist() == list(range(30)) for run in trained)
    assert [resumed["epoch"] for resumed in trained[0].info["resumed"]] == [2]


# Presses Ctrl-C in the first step of the first network.
INTERRUPTED = """
import signal
from keras.callbacks import LambdaCallback
from keraskip.study import Trial

press = LambdaCallback(
    on_train_batch_end=lambda batch, logs: signal.raise_signal(signal.SIGINT)
)

class Interrupted(Trial):
    def build(self, data, steps):
        model = super().build(data, steps)
        fit = model.fit
        model.fit = lambda *data, callbacks, **way: fit(*data, callbacks=[*callbacks, press], **way)
        return model

small = {"depth": 8, "filters": (4, 8, 16)}
trials = [Interrupted(name, name, small, epochs=1, batch_size=256) for name in ("plain", "resnet")]
"""


@pytest.mark.slow
def test_compare_on_ctrl_c_says_how_to_go_on_and_reports_what_fails(tmp_path):
    (tmp_path / "mine.py").write_text(INTERRUPTED)
    command = [KERASKIP, "compare", "--study", "mine.py", "--out", "out"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    first = subprocess.run(command, **options)
    assert first.returncode == 130
    assert first.stderr.splitlines()[-1] == (
        "keraskip: stopped; the same command goes on after the last epoch"
    )
    assert "Traceback" not in first.stderr
    failed = subprocess.run([*command, "--set", "activation=relux"], **options)
    assert failed.returncode == 2
    assert "other settings" in failed.stderr
    failed = subprocess.run([*command[:-1], "new", "--set", "activation=relux"], **options)
    assert failed.returncode == 1
    lines = [line for line in failed.stderr.splitlines() if "failed: " in line]
    assert [line.split()[1] for line in lines] == ["plain", "resnet"]
    assert all("relux" in line for line in lines)


@pytest.mark.slow
def test_compare_reads_official_archives(tmp_path):
    archives = SHARED / "fashion_mnist"
    if not archives.is_dir():
        pytest.skip(f"no Fashion-MNIST archives in {archives}")
    pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    small = "filters=[2,4,8]", "batch_size=2048", "epochs=1", "image_size=8"
    settings = [part for setting in small for part in ("--set", setting)]
    places = ["--data-dir", tmp_path / "prepared", "--manual-dir", archives]
    study = ["compare", "--study", "degradation", "--depths", "8"]
    done = keraskip(*study, "--dataset", "fashion_mnist", *places, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for network in "plain8", "resnet8":
        info = load_run(tmp_path / "runs" / "degradation" / network).info
        assert (info["train_images"], info["validation_images"]) == (54_000, 6_000)
        assert info["test"][0]["images"] == 10_000
        assert info["budget"] == {"epochs": 1, "steps": 26}


def test_list_prints_names_and_loads_no_framework():
    said, loaded = modules_loaded_by(["list", "resnet50*"])
    assert [line.split()[0] for line in said.splitlines()[2:-1]] == [
        "resnet50",
        "resnet50v1.5",
        "resnet50v2",
    ]
    assert not loaded & {"keras", "tensorflow", "jax", "torch"}


def test_describe_prints_published_and_built():
    done = called("describe", "resnet20")
    assert done.returncode == 0
    (trainable,) = (line for line in done.stdout.splitlines() if line.startswith("trainable"))
    assert trainable.split()[-3:] == ["0.27", "M", "269,722"]
    assert "8.75 %" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "vgg*"], "'vgg*'"),
        (["describe", "resnet55"], "nearest: resnet5"),
    ],
)
def test_unknown_networks_are_one_line(arguments, message):
    done = called(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
