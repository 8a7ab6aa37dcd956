"""Every example runs and says what it promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip
from keraskip.models.shipped import networks_with
from keraskip.study import named_study

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(example, *arguments):
    return subprocess.run(
        [sys.executable, EXAMPLES / example, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    ).stdout


def test_all_examples_are_tested():
    assert {file.name for file in EXAMPLES.glob("*.py")} == {
        "claims.py",
        "compare_two_networks.py",
        "cure_your_own_model.py",
        "fashion_mnist.py",
        "fine_tune.py",
        "serve.py",
        "stalling_script.py",
    }


def test_fashion_mnist_trains_the_networks_that_have_weights():
    trials = named_study(str(EXAMPLES / "fashion_mnist.py"))
    assert {trial.name for trial in trials} >= set(networks_with("fashion_mnist")) > set()
    assert {trial.epochs for trial in trials} == {50}


@pytest.mark.slow
def test_stalling_script_is_recorded_as_it_is(tmp_path):
    script = (EXAMPLES / "stalling_script.py").read_text("utf-8")
    assert "keraskip" not in script.split('"""')[2]
    command = [sys.executable, "-m", "keraskip", "record", EXAMPLES / "stalling_script.py"]
    done = subprocess.run(
        [*command, "--epochs", "4"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    *epochs, last = done.stdout.splitlines()
    assert [line for line in epochs if line.startswith("Epoch")] == [
        f"Epoch {number}/4" for number in (1, 2, 3, 4)
    ]
    assert "grad_norm" not in done.stdout
    assert last.startswith("accuracy on the test images: 0.")
    said = done.stderr[done.stderr.index("keraskip: 1 fit is recorded in ") :].splitlines()
    assert said[0].endswith(os.path.join("runs", "stalling_script"))
    assert said[1].startswith("1_digits: it does not learn (the loss goes from ")
    assert said[2].startswith("The signal shrinks by ")
    assert said[-1] == os.path.join("runs", "stalling_script", "report.html")
    assert len(said) <= 1 + 6 + 1
    assert (tmp_path / said[-1]).stat().st_size > 500_000


@pytest.mark.slow
def test_compare_two_networks(tmp_path):
    printed = run("compare_two_networks.py", tmp_path)
    verdicts = {line.split()[0]: line.split()[1] for line in printed.splitlines() if "20 " in line}
    assert verdicts == {"plain20": "vanishing", "resnet20": "healthy"}
    assert (tmp_path / "report.html").stat().st_size > 500_000


@pytest.mark.slow
def test_fine_tune(tmp_path):
    printed = run("fine_tune.py", tmp_path)
    assert "Both networks learn." in printed
    head, both = (keraskip.load_run(tmp_path / name) for name in ("run", "run-2"))
    assert list(head.weights["layer"]) == ["dense", "dense"]
    assert len(both.weights) > len(head.weights)
    assert both.info["phase_of"] == "run"
    assert list(both.epochs["epoch"]) == [4, 5, 6, 7]
    accuracies = [run.epochs["val_accuracy"].iloc[-1] for run in (head, both)]
    assert accuracies[0] < 0.8 < 0.95 < accuracies[1]


@pytest.mark.slow
def test_cure_your_own_model(tmp_path):
    printed = run("cure_your_own_model.py", tmp_path)
    assert "Skips in 'sequential': 10" in printed
    runs = [keraskip.load_run(tmp_path / name) for name in ("plain", "with_skips")]
    plain, with_skips = keraskip.compare(*runs).verdicts
    assert (plain.verdict, with_skips.verdict) == ("vanishing", "healthy")
    last = [run.epochs["accuracy"].iloc[-1] for run in runs]
    assert last[0] < 0.2
    assert last[1] > 0.9
