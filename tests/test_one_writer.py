"""One recorder writes a run folder at a time, and who reads it meanwhile reads one whole run."""

import os
import shutil
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from quiet import GradientRecorder
from test_recorder_restarts import EPOCHS, STEPS, fit, network

from keraskip import load_run
from keraskip.callbacks.columns import STATISTICS
from keraskip.runs import STEPS_FILE, Hold, RunWriter
from keraskip.study.locking import locked

HOLDS = """
import sys
from pathlib import Path
from keraskip.runs import Hold
hold = Hold()
print(hold.take(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def act(moment):
    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs=None: moment() if epoch == 1 else None
    )


def test_a_second_recorder_gets_a_folder_beside_the_first(tmp_path):
    """Though each may replace an earlier run."""
    first, second = (GradientRecorder(tmp_path / "run", overwrite=True) for _ in range(2))

    def begin():
        with pytest.warns(UserWarning, match=r"is being recorded by .* recorded in .*run-2"):
            fit(network(), second, epochs=1)

    fit(network(), first, act(begin))
    assert (first.run_dir, second.run_dir) == (tmp_path / "run", tmp_path / "run-2")
    for recorder, epochs in ((first, EPOCHS), (second, 1)):
        assert load_run(recorder.run_dir).steps.tolist() == list(range(epochs * STEPS))
    # Its lock is free again.
    third = GradientRecorder(tmp_path / "run", overwrite=True)
    fit(network(), third, epochs=1)
    assert third.run_dir == tmp_path / "run"


def test_a_folder_whose_recorder_has_not_begun_is_left_to_it(tmp_path):
    """It has the lock, and its file of steps is not there yet."""
    other = Hold()
    for overwrite in (True, False):
        assert other.take(tmp_path / "run")
        recorder = GradientRecorder(tmp_path / "run", overwrite=overwrite)
        with pytest.warns(UserWarning, match=r"recorded in .*run-"):
            fit(network(), recorder, epochs=1)
        assert recorder.run_dir != tmp_path / "run"
        assert load_run(recorder.run_dir).info["status"] == "finished"
        other.give_back()
        shutil.rmtree(tmp_path / "run")


def test_a_recorder_does_not_go_on_in_a_run_that_replaced_its_own(tmp_path):
    model, first = network(), GradientRecorder(tmp_path / "run")
    fit(model, first, epochs=1)
    fit(network(), GradientRecorder(tmp_path / "run", overwrite=True), epochs=2)
    before = load_run(tmp_path / "run")
    with pytest.warns(UserWarning, match=f"has stopped, .* has changed {STEPS_FILE}"):
        fit(model, first, epochs=1)
    after = load_run(tmp_path / "run")
    assert (after.info, after.steps.tolist()) == (before.info, before.steps.tolist())


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files")
def test_steps_that_are_cut_or_removed_while_they_are_written(tmp_path):
    file = tmp_path / "run" / STEPS_FILE
    for damage in (lambda: os.truncate(file, file.stat().st_size - 8), file.unlink):
        recorder = GradientRecorder(tmp_path / "run", overwrite=True)
        with pytest.warns(UserWarning, match="Recording to .* has stopped, training") as told:
            history = fit(network(), recorder, act(damage))
        assert sum("Recording to" in str(each.message) for each in told) == 1
        assert len(history.history["grad_norm"]) == EPOCHS
        if file.exists():
            run = load_run(tmp_path / "run")
            assert run.truncated
            assert run.steps.tolist() == list(range(len(run.steps)))
        else:
            with pytest.raises(FileNotFoundError, match=STEPS_FILE):
                load_run(tmp_path / "run")


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, tmp_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout.readline() == "True\n"
    hold = Hold()
    assert not hold.take(tmp_path)
    child.kill()
    child.communicate()
    assert hold.take(tmp_path)
    hold.give_back()


def test_two_studies_do_not_train_in_one_folder(tmp_path):
    said = pytest.raises(OSError, match=f"Another process trains in {tmp_path}")
    with locked(tmp_path), said, locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def written(path, number, batches=4):
    """A run whose name is each of its numbers."""
    weights = [{"path": "w", "layer": "w", "role": "kernel", "depth": 1, "shape": [2], "size": 2}]
    writer = RunWriter(path, {"model": str(number)}, weights, STATISTICS)
    for batch in range(batches):
        writer.append(np.arange(4) + 4 * batch, np.full((4, 1, len(STATISTICS)), number))
        rows = 4 * batch + 4
        writer.add_epoch({"epoch": batch, "steps": rows, "next_step": rows})


@pytest.mark.parametrize("reads", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_each_read_beside_a_run_that_is_replaced_is_one_whole_run(tmp_path, reads):
    written(tmp_path, 0)
    is_over = threading.Event()

    def replace():
        number = 1
        while not is_over.is_set():
            written(tmp_path, number % 1000)
            number += 1

    writer = threading.Thread(target=replace)
    writer.start()
    found = set()
    try:
        while writer.is_alive() and (reads > 0 or len(found) < 2):
            try:
                run = load_run(tmp_path)
            except FileNotFoundError:  # the one is removed, the other has not begun
                continue
            reads -= 1
            found.add(run.info["model"])
            assert set(run.grad_norm.ravel().tolist()) <= {float(run.info["model"])}
            assert not run.truncated
            assert not run.damaged
    finally:
        is_over.set()
        writer.join()
    assert (reads <= 0, len(found) > 1) == (True, True)
