"""Where a trial finds its data, and on how many devices and in how many processes it is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Setup:
    """What a trial's numbers do not depend on.

    Attributes:
        data_dir, manual_dir: see `keraskip.data.load_data`.
        devices: how many devices share each batch: those of one machine, or of all processes
            together.
        processes: how many processes, on as many machines as may be, train each trial together;
            each is started with the environment of `keras.distribution.initialize`. On JAX.
    """

    data_dir: str | None = None
    manual_dir: str | None = None
    devices: int = 1
    processes: int = 1

    def __post_init__(self) -> None:
        for name in "devices", "processes":
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a number from 1. Received: {name}={value!r}")

    @property
    def parts(self) -> int:
        """Into how many parts a batch is cut."""
        return max(self.devices, self.processes)

    @property
    def share(self) -> tuple[int, int]:
        """Which of how many processes this one is."""
        if self.processes == 1:
            return 0, 1
        import jax

        return jax.process_index(), self.processes

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.share[0] == 0

    def join(self) -> None:
        """Meets the other processes, if there are any; once, before anything else of Keras."""
        if self.processes == 1:
            return
        import keras

        if keras.backend.backend() != "jax":
            raise ValueError(
                "Keras trains a model in several processes on JAX. "
                f"Received: processes={self.processes}, backend={keras.backend.backend()!r}"
            )
        import jax

        # Without effect where there are GPUs.
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(num_processes=self.processes)
        found = jax.process_count()
        devices = len(keras.distribution.list_devices())
        if found != self.processes or self.parts != devices:
            raise ValueError(
                "processes and devices must be all that there are. Received: "
                f"processes={self.processes}, devices={self.devices} (found: {found}, {devices})"
            )

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Builds and trains what is inside on the devices."""
        import keras

        if self.parts == 1:
            yield
        elif keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
            names = [device.name for device in tf.config.list_logical_devices(kind)]
            with tf.distribute.MirroredStrategy(_first(names, self.devices)).scope():
                yield
        elif keras.backend.backend() == "jax":
            devices = _first(keras.distribution.list_devices(), self.parts)
            before = keras.distribution.distribution()
            parallel = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
            keras.distribution.set_distribution(parallel)
            try:
                yield
            finally:
                keras.distribution.set_distribution(before)
        else:
            raise ValueError(
                "Keras spreads a model over devices on TensorFlow and JAX. "
                f"Received: devices={self.devices}, backend={keras.backend.backend()!r}"
            )

    def prepare(self, model: "keras.Model") -> None:
        """Makes batch normalisation see the whole batch, as on one device; on JAX it does."""
        import keras

        if self.devices == 1 or keras.backend.backend() != "tensorflow":
            return
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True


def _first(devices: list[Any], count: int) -> list[Any]:
    if count > len(devices):
        raise ValueError(f"devices must be at most {len(devices)}. Received: devices={count}")
    return devices[:count]
