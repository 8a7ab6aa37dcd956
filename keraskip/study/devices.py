"""Where a trial's data lie, and how many devices and processes train it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keraskip.checks import check_integer

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Setup:
    """The circumstances of a training, which do not change its numbers.

    Attributes:
        data_dir, manual_dir: see `keraskip.data.load_data`.
        devices: how many devices share each batch: all devices of one machine, or of all
            processes together.
        processes: how many processes train each trial together, on one machine or several. Only
            on JAX; each is started with the environment of `keras.distribution.initialize`.

    Raises:
        TypeError: if a number is none.
        ValueError: if a number is below 1.
    """

    data_dir: str | None = None
    manual_dir: str | None = None
    devices: int = 1
    processes: int = 1

    def __post_init__(self) -> None:
        for name in "devices", "processes":
            number = check_integer(name, getattr(self, name), minimum=1)
            object.__setattr__(self, name, number)

    @property
    def parts(self) -> int:
        """Into how many parts a batch is cut."""
        return max(self.devices, self.processes)

    @property
    def share(self) -> tuple[int, int]:
        """The index of this process, and how many processes there are."""
        if self.processes == 1:
            return 0, 1
        import jax

        return jax.process_index(), self.processes

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.share[0] == 0

    def join(self) -> None:
        """Connects to the other processes, if any, unless it has; before anything else of Keras."""
        if self.processes == 1:
            return
        import keras

        if keras.backend.backend() != "jax":
            raise ValueError(
                "Keras trains a model in several processes on JAX. "
                f"Received: processes={self.processes}, backend={keras.backend.backend()!r}"
            )
        import jax

        if not jax.distributed.is_initialized():
            # GPUs ignore it.
            jax.config.update("jax_cpu_collectives_implementation", "gloo")
            keras.distribution.initialize(num_processes=self.processes)
        processes, devices = jax.process_count(), len(keras.distribution.list_devices())
        if processes != self.processes or devices != self.parts:
            raise ValueError(
                f"processes and devices must be all that are connected, {processes} and "
                f"{devices}. Received: processes={self.processes}, devices={self.devices}"
            )

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Spreads the models that are built and trained inside over the devices."""
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
        """Makes batch normalisation use the whole batch, as on one device; JAX always does."""
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
