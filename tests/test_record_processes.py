"""Scripts recorded in processes of their own: interrupts, backends, processes that they start."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
import training_scripts as scripts

from keraskip import load_run

COMMAND = [sys.executable, "-m", "keraskip", "record", "train.py"]
# Prints a line when it waits in the middle of a training, for what the test sends then.
WAITING = """
class Wait(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            print("ready", flush=True)
            threading.Event().wait(300)

import threading
network("mine").fit(x, y, epochs=5, verbose=0, callbacks=[Wait()])
"""
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def started(folder, script, **environment):
    (folder / "train.py").write_text(script)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(COMMAND, cwd=folder, env=environment, **pipes)


def assert_died_of_ctrl_c(process, out, err, folder):
    assert process.returncode == -signal.SIGINT
    lines = err.splitlines()
    traced = [line for line in lines if line.lstrip().startswith("File ")]
    assert traced[0].startswith(f'  File "{folder / "train.py"}", line ')
    assert not [line for line in traced if "keraskip/" in line]
    assert "KeyboardInterrupt" in lines
    assert lines[-1] == "runs/train/report.html"
    run = load_run(folder / "runs" / "train" / "1_mine")
    assert run.info["status"] == "interrupted"
    assert len(run.epochs) == 1


@pytest.mark.slow
def test_after_ctrl_c_the_process_ends_as_pythons_does(tmp_path):
    """The script presses it itself; its `finally` and what it left for the exit are run."""
    process = started(tmp_path, scripts.HEAD + scripts.INTERRUPTED)
    out, err = process.communicate()
    assert out == "tidied up\nleft\n"
    assert_died_of_ctrl_c(process, out, err, tmp_path)


@pytest.mark.slow
def test_ctrl_c_from_outside(tmp_path):
    process = started(tmp_path, scripts.HEAD + WAITING)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert_died_of_ctrl_c(process, *process.communicate(), tmp_path)


@pytest.mark.slow
def test_a_script_that_trains_and_spawns_processes(tmp_path):
    body = "    network('mine').fit(x, y, verbose=0)"
    out, err = started(
        tmp_path, scripts.HEAD + scripts.SPAWNING.replace("{body}", body)
    ).communicate()
    assert out == "[2, 3]\n"
    assert err.count("keraskip: 1 fit is recorded") == 1


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_script_chooses_its_backend(tmp_path, backend):
    if not find_spec(BACKENDS[backend]):
        pytest.skip(f"this environment has no {backend}")
    choice = f"import os\nos.environ['KERAS_BACKEND'] = {backend!r}"
    script = choice + scripts.HEAD + scripts.EXITING + "print(keras.backend.backend())"
    process = started(tmp_path, script.replace("sys.exit(3)", "print(keras.backend.backend())"))
    out, _ = process.communicate()
    assert out.splitlines()[0] == backend
    run = load_run(tmp_path / "runs" / "train" / "1_mine")
    assert (run.info["backend"], len(run.steps)) == (backend, 2)
