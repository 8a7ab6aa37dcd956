"""A trial on several devices and in several processes: the numbers of one device."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from test_devices import finish

from keraskip.runs import load_run

BACKEND = keras.backend.backend()
# Each trains in processes of its own.
pytestmark = pytest.mark.slow
# With batch normalisation, which on several devices has to see the whole batch.
TRAIN = """
import os
import sys

out, data, devices, processes = *sys.argv[1:3], *map(int, sys.argv[3:])
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(cpu, halves)

from keraskip.study import Trial, run_study

# Without kinks, at which rounding would grow.
small = {"depth": 8, "filters": (4, 8, 16), "activation": "tanh"}
way = {"epochs": 2, "batch_size": 256, "augment": ("crop",), "weight_decay": 1e-4, "dataset": data}
trials = [Trial("net", "resnet", small, **way)]
if devices > 1:  # a second seed gets no step that is traced for other devices
    trials += [Trial("other", "resnet", small, seed=1, **way)]
run_study(trials, out, devices=devices, processes=processes)
"""


def start(out, data, devices=1, processes=1, **environment):
    local = devices if processes == 1 else 1
    environment |= {
        "KERAS_BACKEND": BACKEND,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={local}",
    }
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, out, f"npz:{data}", str(devices), str(processes)],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The digits, as many as two devices can share."""
    x, y = load_digits(return_X_y=True)
    file = tmp_path_factory.mktemp("data") / "digits.npz"
    parts = {"train": slice(1280), "validation": slice(1280, 1408), "test": slice(1408, 1796)}
    images = {f"x_{name}": x[part].reshape(-1, 8, 8) for name, part in parts.items()}
    np.savez(file, **images, **{f"y_{name}": y[part] for name, part in parts.items()})
    return file


@pytest.fixture(scope="module")
def one(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("one")
    finish(start(out, data))
    return load_run(out / "net")


def assert_same(folder, one):
    run = load_run(folder)
    assert (folder / "model.keras").is_file()
    np.testing.assert_array_equal(run.steps, one.steps)
    for column in "loss", "accuracy", "val_loss", "val_accuracy":
        np.testing.assert_allclose(run.epochs[column], one.epochs[column], atol=1e-4)
    for name in "grad_norm", "weight_norm", "update_norm":
        np.testing.assert_allclose(
            run.statistics[name], one.statistics[name], rtol=1e-4, atol=1e-6, err_msg=name
        )
    for key in "loss", "accuracy":
        assert run.info["test"][0][key] == pytest.approx(one.info["test"][0][key], abs=1e-4)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras spreads no model on torch")
def test_two_devices(tmp_path, data, one):
    finish(start(tmp_path, data, devices=2))
    assert_same(tmp_path / "net", one)


@pytest.mark.skipif(BACKEND != "jax", reason="Keras trains in several processes on JAX")
def test_two_processes(tmp_path, data, one, free_port):
    address = f"127.0.0.1:{free_port}"
    together = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address}
    finish(
        *(
            start(
                tmp_path, data, processes=2, **together, KERAS_DISTRIBUTION_PROCESS_ID=str(number)
            )
            for number in range(2)
        )
    )
    assert_same(tmp_path / "net", one)


@pytest.mark.skipif(BACKEND != "torch", reason="Keras spreads models on the others")
def test_on_torch_devices_are_refused(tmp_path, data):
    process = start(tmp_path, data, devices=2)
    _, said = process.communicate()
    assert "on TensorFlow and JAX. Received: devices=2, backend='torch'" in said
