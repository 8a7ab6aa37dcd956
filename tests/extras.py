"""The installed package, alone and with one extra: `.ci/extras` runs this file for each of them.

`python extras.py plain` tries the package without any extra, and asks for each one that is not
there; `python extras.py onnx` uses what this extra brings. It writes into the folder it runs in.
"""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

import keraskip
from keraskip.study import Trial, on_ray, run_study

CURE = "pip install 'keraskip[{}]'"
EXPORTS = ("litert", "onnx", "openvino")
TRACKERS = ("mlflow", "tensorboard", "wandb")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
X = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
Y = np.arange(64) % 3
# Nothing is told to anybody about the use of these packages, nor asked on the network.
QUIET = {
    "HF_HUB_OFFLINE": "1", "HF_HOME": "hub",
    "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_CONSOLE": "off",
    "WANDB_ERROR_REPORTING": "false", "WANDB__SERVICE_WAIT": "600", "WANDB_INIT_TIMEOUT": "600",
}  # fmt: skip


def network():
    """A small one, compiled."""
    import keras

    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(8, "tanh") for _ in range(4)]
    model = keras.Sequential([keras.Input((5,)), *hidden, keras.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def recorded(folder, **options):
    """The run of a short training."""
    recorder = keraskip.GradientRecorder(folder, verbose=0, **options)
    network().fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=[recorder])
    return keraskip.load_run(folder)


def run_command(*arguments):
    """The command `keraskip` of this environment or of the plain one, which it sees."""
    return subprocess.run(
        [sys.executable, "-m", "keraskip", *arguments], capture_output=True, text=True
    )


def plain():
    """The package is whole, and each extra that is not there is asked for."""
    package = Path(keraskip.__file__)
    assert package.is_relative_to(sys.prefix), package
    assert importlib.metadata.version("keraskip") == keraskip.__version__
    assert (package.parent / "py.typed").exists()
    model = keraskip.build("resnet20", weights="fashion_mnist")
    assert np.allclose(model.predict(np.zeros((1, 28, 28, 1)), verbose=0).sum(), 1, atol=1e-4)
    assert keraskip.add_skips(network(), verbose=False).count_params() == network().count_params()
    recorded("run")
    assert keraskip.compare("run").save("report.html").stat().st_size > 500_000
    assert keraskip.compare("run").save("report.png").stat().st_size > 5_000
    check_outputs(keraskip.export_savedmodel(model := network(), "savedmodel"), model)
    command = Path(sys.executable).with_name("keraskip")
    listed = subprocess.run([command, "list", "resnet*"], capture_output=True, text=True)
    assert "resnet20" in listed.stdout, listed
    without_extras()


def without_extras():
    """Each call is refused in a sentence with the cure, and leaves nothing behind."""
    model = network()
    calls = {name: lambda name=name: getattr(keraskip, f"export_{name}")(model, "no/file")
             for name in EXPORTS}  # fmt: skip
    calls |= {name: lambda name=name: keraskip.GradientRecorder("no/run", trackers=[name])
              for name in TRACKERS}  # fmt: skip
    calls |= {"ray": on_ray, "hub": lambda: keraskip.build("resnet18", weights="imagenet")}
    for name, call in calls.items():
        refused(name, call)
    for name in EXPORTS:
        refused(name, lambda name=name: keraskip.Artefact(renamed("savedmodel", name)))
    asked = {
        "ray": ["compare", "--ray", "127.0.0.1:6379", "--out", "no"],
        "onnx": ["export", "resnet20:fashion_mnist", "no", "--format", "onnx"],
    }
    for name, arguments in asked.items():
        done = run_command(*arguments)
        assert done.returncode == 2, done
        check_sentence(name, done.stdout.strip() + done.stderr.strip())
    assert not Path("no").exists()


def refused(name, call):
    """What the call says of the extra that it needs."""
    try:
        call()
    except ImportError as error:
        check_sentence(name, str(error))
    else:
        raise AssertionError(f"this environment has {name}, or it is not asked for")


def check_sentence(name, said):
    """It is one line, and ends in the command that helps."""
    assert "\n" not in said, said
    assert said.endswith(CURE.format(name)), said


def renamed(folder, format):
    """A copy of an artefact whose card names another format."""
    copy = Path(shutil.copytree(folder, f"card_of_{format}"))
    card = json.loads((copy / "model_card.json").read_text("utf-8"))
    (copy / "model_card.json").write_text(json.dumps(card | {"format": format}), "utf-8")
    return copy


def check_outputs(artefact, model):
    """The artefact answers as the model does."""
    (outputs,) = keraskip.Artefact(artefact)(X).values()
    np.testing.assert_allclose(outputs, model.predict(X, verbose=0), atol=1e-5)


def export(format):
    """A network is exported, and the artefact opened."""
    check_outputs(getattr(keraskip, f"export_{format}")(model := network(), "out"), model)


def tensorboard():
    """TensorBoard itself reads the curve of a weight."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    run = recorded("run", trackers=["tensorboard"])
    shown = EventAccumulator("run/tensorboard", {"tensors": 0})
    shown.Reload()
    events = shown.Tensors(f"grad_norm/{run.weights['path'][0]}")
    check_curve(run, [float(make_ndarray(event.tensor_proto)) for event in events])


def mlflow():
    """MLflow's database has the curve of a weight."""
    from mlflow import MlflowClient

    run = recorded("run", trackers=["mlflow"])
    run_id, tag = Path("run/mlflow_run.txt").read_text(), f"grad_norm/{run.weights['path'][0]}"
    check_curve(run, [metric.value for metric in MlflowClient().get_metric_history(run_id, tag)])


def wandb():
    """The run of W&B has the last value of a curve, and its file is there."""
    import wandb

    with wandb.init(dir=".") as active:
        run = recorded("run", trackers=["wandb"])
        last = active.summary[f"grad_norm/{run.weights['path'][0]}"]
    check_curve(run, [*run.grad_norm[:-1, 0], last])
    (file,) = Path("wandb").glob("offline-run-*/run-*.wandb")
    assert file.stat().st_size > 1_000


def check_curve(run, values):
    """A tracker has what the record has of the first weight."""
    np.testing.assert_allclose(values, run.grad_norm[:, 0], rtol=1e-6)


def hub():
    """Files come from the cache of the Hugging Face Hub, or it is said why not."""
    from keraskip.models.hub import fetch

    cached = Path("hub/hub/models--timm--densenet161.tv_in1k")
    file = cached / "snapshots" / COMMIT / "model.safetensors"
    for path, content in {cached / "refs" / "main": COMMIT, file: "weights"}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert fetch("densenet161").samefile(file)
    assert COMMIT in str(told[-1].message)
    with contextlib.suppress(ConnectionError):
        keraskip.build("resnet18", weights="imagenet")
        raise AssertionError("a file that is not there was read")


def ray():
    """A cluster of this machine trains a trial."""
    node = subprocess.Popen(
        [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--port=0",
         "--node-ip-address=127.0.0.1", "--num-cpus=1", "--include-dashboard=false"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        lines = (re.search(r"--address='([^']+)'", line) for line in node.stdout)
        address = next(found[1] for found in lines if found)
        settings = {"depth": 8, "filters": (4, 8, 16)}
        trial = Trial("resnet_seed0", "resnet", settings, epochs=1, batch_size=256)
        (folder,) = run_study([trial], "runs", place=on_ray(address))
        assert keraskip.load_run(folder).info["status"] == "finished"
    finally:
        node.terminate()
        node.communicate()


USES = {"plain": plain, "hub": hub, "mlflow": mlflow, "ray": ray, "tensorboard": tensorboard}
USES |= {"wandb": wandb} | {name: lambda name=name: export(name) for name in EXPORTS}

if __name__ == "__main__":
    os.environ |= QUIET | {"HF_HOME": os.path.abspath(QUIET["HF_HOME"])}
    USES[sys.argv[1]]()
