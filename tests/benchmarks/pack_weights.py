r"""Packs the finished runs of examples/fashion_mnist.py as weights that come with keraskip.

    python tests/fashion_archives.py ARCHIVES fashion_mnist.npz
    KERAS_BACKEND=jax keraskip compare --study examples/fashion_mnist.py \
        --dataset npz:fashion_mnist.npz
    python tests/benchmarks/pack_weights.py runs/fashion_mnist/*/ --archives ARCHIVES \
        --machine "one NVIDIA H200"

writes a file of weights and its card for each run into `keraskip/models/weights/fashion_mnist`.
Kernels are in half precision, all else in single precision. Refuses a run that is not finished or
has other settings or data than the study, and weights whose accuracy on the 10,000 test images
differs by more than 0.05 points from what the run itself found. `shipped_weights.py` checks the
result.
"""

import argparse
import hashlib
import json
import os
import runpy
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import numpy as np
from fashion_archives import CLASSES, MD5, read_part, write_npz
from shipped_weights import right_answers

import keraskip
from keraskip.data import load_data
from keraskip.models.shipped import FOLDER, fill_in_order, read_weights
from keraskip.runs import read_info

DATASET = "fashion_mnist"
STUDY = Path(__file__).parents[2] / "examples" / f"{DATASET}.py"
COMMAND = (
    f"KERAS_BACKEND=jax keraskip compare --study examples/{DATASET}.py --dataset npz:{DATASET}.npz"
)
# As many test images as a quick test looks at.
FIRST = 200
MOST_LOST = 0.05 / 100
# What run.json has about the circumstances of a trial, not about its recipe.
NO_RECIPE = ("name", "network", "arguments", "dataset", "image_size", "seed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--archives", required=True, help="Folder of the official archives.")
    parser.add_argument("--machine", required=True, help="What trained them, in words.")
    parser.add_argument("--out", type=Path, default=FOLDER / DATASET)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    normalization = normalization_of(options.archives)
    test = read_part(options.archives, "t10k")
    for run in options.runs:
        card = pack(run, normalization, test, options.out)
        card |= {"machine": options.machine, "command": COMMAND}
        text = json.dumps(card, indent=1, ensure_ascii=False)
        (options.out / f"{card['network']}.json").write_text(f"{text}\n", "utf-8")
        print(f"{card['network']}: {card['accuracy']}, {card['bytes']:,} bytes", flush=True)


def normalization_of(archives):
    """Mean and deviation as a trial computes them from these archives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.npz"
        write_npz(archives, path)
        mean, deviation = load_data(f"npz:{path}").mean_and_deviation
    return {"mean": mean.tolist(), "deviation": deviation.tolist(), "white": 255.0}


def pack(run, normalization, test, out):
    """Writes the weights of a run; returns the card, without machine and command."""
    info = read_info(run)
    check_run(run, info, normalization)
    network = info["trial"]["name"]
    trained = keraskip.load_model(run / "model.keras")
    file = out / f"{network}.npz"
    write_weights(trained, file)
    shipped = keraskip.build(network, input_shape=(28, 28, 1), classes=10)
    check_same_layers(trained, shipped)
    fill_in_order(shipped, read_weights(file, hash_of(file)), has_top=True)
    before, right = info["test"][-1]["accuracy"], right_answers(shipped, *test, normalization)
    if abs(right.mean() - before) > MOST_LOST + 1e-6:
        raise ValueError(f"{network} has another accuracy: {before} became {right.mean()}")
    return card_of(info, network, file, right) | {"signal": signal_of(run)}


def check_run(run, info, normalization):
    """ValueError unless this is a finished trial of the study, on these archives."""
    trials = {trial.name: trial for trial in runpy.run_path(str(STUDY))["trials"]}
    settings = info["trial"]
    trial = replace(trials[settings["name"]], dataset=settings["dataset"], seed=settings["seed"])
    if info["status"] != "finished" or "test" not in info:
        raise ValueError(f"{run} is not finished.")
    if settings != trial.settings or info["normalization"] != normalization:
        raise ValueError(f"{run} has other settings or other data than {STUDY.name}.")


def check_same_layers(trained, shipped):
    """ValueError unless the zoo's network has the layers of the trained one."""
    ours, theirs = (
        [(type(layer).__name__, layer.name, [w.path for w in layer.weights]) for layer in m.layers]
        for m in (shipped, trained)
    )
    if ours != theirs:
        raise ValueError(f"{trained.name} is another network than the zoo's {shipped.name}.")


def write_weights(model, file):
    """All weights by their names in the network's order: matrices in half precision."""
    values = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    halved = {name: v.astype("float16") if v.ndim > 1 else v for name, v in values.items()}
    np.savez_compressed(file, **halved)


def hash_of(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def card_of(info, network, file, right):
    settings = info["trial"]
    last = info["epochs"][-1]
    recipe = {key: value for key, value in settings.items() if key not in NO_RECIPE}
    return {
        "network": network,
        "weights": DATASET,
        "sha256": hash_of(file),
        "bytes": file.stat().st_size,
        "precision": "kernels in float16, all else in float32",
        "input_shape": [28, 28, 1],
        # On the scale of 0 to 255.
        "mean": info["normalization"]["mean"],
        "deviation": info["normalization"]["deviation"],
        "class_names": list(CLASSES),
        "data": {
            "name": "Fashion-MNIST",
            "source": "Xiao et al. 2017, arXiv 1708.07747",
            "licence": "MIT",
            "md5": MD5,
            "training_images": info["train_images"],
            "held_out_images": info["validation_images"],
            "test_images": len(right),
        },
        "accuracy": {
            "test": float(right.mean()),
            "test_on_the_training_machine": rounded(info["test"][-1]["accuracy"]),
            "held_out": rounded(last["val_accuracy"]),
            "training": rounded(last["accuracy"]),
        },
        "right_of_the_first_200_test_images": int(right[:FIRST].sum()),
        "notes": [
            "Accuracies are of the last epoch, without a choice by the test images; for the "
            "training images, shifted and mirrored, it is the mean over the epoch.",
            "One seed: there is no deviation over seeds.",
            "keraskip.study.run_study trained the trials that the command names.",
        ],
        "seeds": [settings["seed"]],
        "recipe": recipe,
        "trained": info["started"][:10],
        "versions": {**info["versions"], "keraskip": keraskip.__version__},
        "backend": info["backend"],
    }


def signal_of(run):
    """How many orders of magnitude the gradient loses on its way to the first layer."""
    lost = keraskip.compare(run).verdicts[0].at_start
    return {"orders_lost_at_the_beginning": round(lost.value, 3), "margin": round(lost.margin, 3)}


def rounded(accuracy):
    """An accuracy of Keras, which is a float of single precision."""
    return round(accuracy, 6)


if __name__ == "__main__":
    main()
