"""A study that is killed at random moments and started again each time ends as one that was not.

    python tests/benchmarks/killed_studies.py [--kills 10] [--seed 0]

Three small trials on the digits, with dropout, skipped blocks and shifted images. The command is
started, killed by SIGKILL within 9 seconds of its first sign of training, and started again
until it comes to its end. Fails if weights, steps, epochs or hashes of batches differ from those
of a run without kills, or if an epoch is trained again that had a checkpoint.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from keraskip import load_run

STUDY = """
from keraskip.study import Trial

small = {"depth": 8, "filters": (16, 32, 64)}
dense = {"depth": 7, "growth_rate": 12, "dropout_rate": 0.2}
way = dict(epochs=12, batch_size=64, augment=("crop",), rate_drops=(0.5,), weight_decay=1e-4)
trials = [
    Trial("plain8", "plain", small, **way),
    Trial("resnet8", "resnet", {**small, "stochastic_depth_rate": 0.5}, **way),
    Trial("densenet7", "densenet", dense, **way),
]
"""
NAMES = ("plain8", "resnet8", "densenet7")
COMMAND = [Path(sys.executable).with_name("keraskip"), "compare", "--study", "study.py", "--out"]


def start(folder, out):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*COMMAND, out], cwd=folder, **quiet)


def last_change(folder):
    return max((file.stat().st_mtime_ns for file in folder.glob("*/run.json")), default=0)


def kept_epochs(folder):
    """Of each trial that is not over, the epochs of its checkpoint."""
    files = {file.parents[1].name: file.name for file in folder.glob("*/checkpoints/epoch_*")}
    return {name: int(file.split(".")[0].split("_")[1]) for name, file in files.items()}


def killed(folder, kills, draw):
    """Runs the study to its end; whether no epoch with a checkpoint was trained again."""
    study, sound = folder / "killed" / "study", True
    for kill in range(kills):
        before, process = last_change(study), start(folder, "killed")
        while last_change(study) == before and process.poll() is None:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 9))
        over = process.poll() is not None
        process.kill()
        process.wait()
        if over:
            break
        kept = kept_epochs(study)
        print(f"kill {kill + 1}: checkpoints {kept or 'none'}", file=sys.stderr)
        sound &= went_on(study)
    assert start(folder, "killed").wait() == 0
    return sound & went_on(study)


def went_on(study):
    """Whether each run that went on began where it had come to, and lacks no epoch."""
    for file in study.glob("*/run.json"):
        info = json.loads(file.read_text())
        numbers = [row["epoch"] for row in info["epochs"]]
        resumed = [note["epoch"] for note in info.get("resumed", [])]
        if numbers != list(range(len(numbers))) or resumed != sorted(set(resumed)):
            return False
    return True


def weights_of(folder):
    return keras.models.load_model(folder / "model.keras").get_weights()


def same(first, second):
    one, other = load_run(first), load_run(second)
    resumed = [note["epoch"] for note in other.info.get("resumed", [])]
    equal = {
        "steps": np.array_equal(one.steps, other.steps),
        "norms": np.array_equal(one.grad_norm, other.grad_norm),
        "epochs": one.epochs.equals(other.epochs),
        "batches": one.info["batches"] == other.info["batches"],
        "test": one.info["test"] == other.info["test"],
        "weights": all(map(np.array_equal, weights_of(first), weights_of(second))),
    }
    print(f"{first.name}: {len(other.steps)} steps of {len(one.steps)}, went on after {resumed}")
    print("    differing:", ", ".join(key for key in equal if not equal[key]) or "nothing")
    return all(equal.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder to work in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.keep or Path(name)
        (folder / "study.py").write_text(STUDY)
        assert start(folder, "whole").wait() == 0
        sound = killed(folder, arguments.kills, random.Random(arguments.seed))
        studies = folder / "whole" / "study", folder / "killed" / "study"
        for trial in NAMES:
            sound &= same(*(study / trial for study in studies))
    print("the same" if sound else "DIFFERENT")
    sys.exit(not sound)


if __name__ == "__main__":
    main()
