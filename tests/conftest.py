"""What every test needs before it starts."""

import gc
import os
import socket

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
# On by itself on some processors only, and without it TensorFlow has no channels first on a CPU.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Each of the processes that pytest starts has one core. Operations still run side by side.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
if os.environ.get("KERAS_BACKEND") == "jax":
    # To compile takes most of the time of a small training.
    quick_to_compile = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    os.environ.setdefault("XLA_FLAGS", quick_to_compile)

import pytest

gc.disable()


def pytest_collection_modifyitems():
    """After the imports: the million objects that they left are never looked through again.

    Keras is not imported above, as the process that hands the tests out does without.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """On JAX, what many tests train alike is compiled once in each of pytest's processes.

    They keep apart, as JAX does not keep a process from reading what another one still writes.
    """
    if os.environ.get("KERAS_BACKEND") == "jax":
        import jax

        jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@pytest.fixture(autouse=True)
def seed():
    """The same random numbers for every test."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def no_garbage(request):
    """Frees the graphs of former networks now and then: the more of them wait, the longer it takes.

    TensorFlow stood still for a minute over the graphs of a hundred trainings.
    """
    yield
    request.config.tests_done = getattr(request.config, "tests_done", 0) + 1
    if request.config.tests_done % 10 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture
def free_port():
    """A port of this machine that nobody else is given during the test.

    The socket never listens, so a server that reuses addresses, as servers do, can take the port.
    """
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]
