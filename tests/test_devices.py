"""The recorder on several devices and in several processes: the gradient of the whole batch."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

from keraskip import load_run

BACKEND = keras.backend.backend()
# One training after the other, each in its way and into its folder.
TRAIN = """
    import contextlib
    import sys

    folders, ways = sys.argv[1::2], sys.argv[2::2]
    {before}
    import keras
    import numpy as np

    from keraskip import GradientRecorder

    for folder, way in zip(folders, ways, strict=True):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
        y = np.arange(32) % 3
        batch, scope = 8, contextlib.nullcontext()
        {prepare}
        hidden = keras.layers.Dense(8, "tanh")
        with scope:
            model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(3, "softmax")])
            model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        options = dict(batch_size=batch, shuffle=False, verbose=0)
        model.fit(x, y, callbacks=[GradientRecorder(folder)], **options)
"""
TENSORFLOW = (
    """
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
""",
    """
        if "replicas" in way:
            scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
        if "large" in way:
            from keraskip.callbacks.step import apart

            apart.LARGE = 1
""",
)
JAX = (
    """
    import os

    if "devices" in ways:
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    import jax

    if "processes" in ways[0]:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
""",
    """
        if way == "devices":
            keras.distribution.set_distribution(keras.distribution.DataParallel())
        if "processes" in way:
            address, number = way.split()[1], int(way.split()[2])
            keras.distribution.initialize(address, 2, number)
            parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
            keras.distribution.set_distribution(parallel)
            # Each process brings its half of each batch.
            batch = 4
            x = x.reshape(4, 2, 4, 6)[:, number].reshape(16, 6)
            y = y.reshape(4, 2, 4)[:, number].reshape(16)
""",
)


def start(folder, *ways):
    before, prepare = TENSORFLOW if BACKEND == "tensorflow" else JAX
    script = textwrap.dedent(TRAIN.format(before=before.strip(), prepare=prepare.strip()))
    arguments = [str(argument) for way in ways for argument in (folder / way.split()[0], way)]
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    """Waits for all; once one fails, the others, which might wait for it, are killed."""

    def errors_of(process):
        _, errors = process.communicate()
        if process.returncode:
            for each in processes:
                each.kill()
        return errors

    with ThreadPoolExecutor(len(processes)) as pool:
        errors = list(pool.map(errors_of, processes))
    assert not any(process.returncode for process in processes), "\n".join(errors)


def assert_same(folder, expected):
    run, one = load_run(folder), load_run(expected)
    np.testing.assert_array_equal(run.steps, np.arange(4))
    assert run.info["status"] == "finished"
    for name in "grad_norm", "weight_norm", "update_norm":
        np.testing.assert_allclose(
            run.statistics[name], one.statistics[name], rtol=1e-5, atol=1e-7, err_msg=name
        )
    for name, numbers in one.scalars.items():
        np.testing.assert_allclose(run.scalars[name], numbers, rtol=1e-5, atol=1e-7, err_msg=name)
    (labels,), (expected_labels,) = run.info["labels"], one.info["labels"]
    assert labels["count"] == expected_labels["count"]
    np.testing.assert_allclose(labels["shares"], expected_labels["shares"], rtol=1e-6)


MANY = {"tensorflow": ["replicas", "large replicas"], "jax": ["devices"], "torch": []}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """A folder with the records of the trainings on one device and on two."""
    folder = tmp_path_factory.mktemp("records")
    finish(start(folder, "one", *MANY[BACKEND]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("many", MANY[BACKEND])
def test_two_devices(records, many):
    assert_same(records / many.split()[0], records / "one")


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "jax", reason="Keras trains in several processes on JAX")
def test_two_processes(tmp_path, free_port, records):
    ways = (f"processes 127.0.0.1:{free_port} {number}" for number in range(2))
    finish(*(start(tmp_path, way) for way in ways))
    assert_same(tmp_path / "processes", records / "one")
