"""One trial: built, trained from its last checkpoint on, tested once, saved."""

import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.data import Dataset, Part, load_data
from keraskip.runs import INFO_FILE, read_info
from keraskip.study.checkpoints import MODEL_FILE, finish, keep, restore
from keraskip.study.devices import Setup
from keraskip.study.trial import Trial

LOCK_FILE = ".lock"
# Images at a time, when all are seen once.
EVALUATION_BATCH = 500


@lru_cache(maxsize=1)
def _load(name: str, data_dir: str | None, manual_dir: str | None, size: int | None) -> Dataset:
    return load_data(name, data_dir=data_dir, manual_dir=manual_dir, image_size=size)


def is_finished(folder: Path, trial: Trial) -> bool:
    """Whether this very trial was trained to its end; ValueError if another one's run is there."""
    if not (folder / INFO_FILE).is_file():
        return False
    if read_info(folder).get("trial") != trial.settings:
        raise ValueError(
            f"{folder} holds a run with other settings: choose another folder or delete it."
        )
    return (folder / MODEL_FILE).is_file()


def train_trial(
    trial: Trial,
    folder: Path,
    setup: Setup,
    progress: Callable[[int], None] = lambda epochs: None,
) -> None:
    """Trains a trial from its last checkpoint on, if there is one.

    After each epoch weights, optimizer and random states are kept, so that the same numbers follow
    as without a break. In the end the test set is looked at, once, and the model saved.

    Args:
        trial: what to train.
        folder: its run folder.
        setup: the place of the data, and the devices.
        progress: called with the number of epochs done.

    Raises:
        ValueError: for data, devices or settings that do not go together.
        OSError: if the folder cannot be written, or another process trains in it.
    """
    import keras

    from keraskip.callbacks.hook.recorder import GradientRecorder

    data = loaded(trial, setup)
    # Names count from the start in each trial.
    keras.utils.clear_session()
    with _locked(folder, setup), setup.scope():
        if is_finished(folder, trial):
            # By another process, since this one looked.
            return progress(trial.epochs)
        steps = trial.epochs * (len(data.train) // trial.batch_size)
        model = trial.build(data, steps)
        setup.prepare(model)
        first = restore(model, folder)
        # Again, so that nothing depends on how many numbers the weights took.
        keras.utils.set_random_seed(trial.seed)
        info = {
            "trial": trial.settings,
            "network": {"family": trial.family, **trial.builder_arguments},
            "seed": trial.seed,
            "classes": data.classes,
            "normalization": _normalization(data),
            "train_images": len(data.train),
            "validation_images": len(data.validation),
            "budget": {"epochs": trial.epochs, "steps": steps},
        }
        recorder = GradientRecorder(folder, info=info, initial_epoch=first)
        progress(first)
        _fit(model, trial, data, setup, recorder, folder, progress)
        found = model.evaluate(_once(data, data.test, setup), verbose=0, return_dict=True)
        images = {"images": _shared(data.test, setup)}
        numbers = {name: float(value) for name, value in found.items()}
        recorder.note("test", {"epoch": trial.epochs, **images, **numbers})
        if setup.writes:
            _check_recorded(folder, trial.epochs)
            finish(model, folder)


def loaded(trial: Trial, setup: Setup) -> Dataset:
    """The trial's data set; ValueError if it cannot be trained with it."""
    data = _load(trial.dataset, setup.data_dir, setup.manual_dir, trial.image_size)
    if trial.batch_size > len(data.train) or trial.batch_size % setup.parts:
        raise ValueError(
            "batch_size must be at most the number of training images, and a multiple of the "
            f"devices. Received: batch_size={trial.batch_size}, {len(data.train)} images, "
            f"{setup.parts} devices"
        )
    return data


def _normalization(data: Dataset) -> dict[str, Any]:
    """How images become what the network sees, for those who ship it."""
    mean, deviation = data.mean_and_deviation
    return {"mean": mean.tolist(), "deviation": deviation.tolist(), "white": data.white}


def _fit(
    model: Any,
    trial: Trial,
    data: Dataset,
    setup: Setup,
    recorder: Any,
    folder: Path,
    progress: Callable[[int], None],
) -> None:
    import keras

    from keraskip.data.batches import Batches
    from keraskip.data.feeding import TrainingFeed

    first = recorder.initial_epoch
    batches = Batches(
        data.train,
        *data.mean_and_deviation,
        trial.batch_size,
        seed=trial.seed,
        augment=trial.augment,
        share=setup.share,
    )
    feed = TrainingFeed(batches, range(first, trial.epochs))

    def end_epoch(epoch: int, logs: Any) -> None:
        recorder.note("batches", {"epoch": epoch, "hash": feed.hash_of(epoch)})
        if setup.writes:
            _check_recorded(folder, epoch + 1)
            keep(model, folder, epoch + 1)
        progress(epoch + 1)

    model.fit(
        feed.data(),
        steps_per_epoch=batches.steps,
        initial_epoch=first,
        epochs=trial.epochs,
        shuffle=False,
        validation_data=_once(data, data.validation, setup),
        verbose=0,
        callbacks=[recorder, keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],
    )


def _once(data: Dataset, part: Part, setup: Setup) -> Any:
    """All images of a part for `evaluate`, up to what the devices can share equally."""
    from keraskip.data.batches import Batches
    from keraskip.data.feeding import evaluation_data

    shared = part.take(np.arange(_shared(part, setup)))
    size = EVALUATION_BATCH // setup.parts * setup.parts
    return evaluation_data(Batches(shared, *data.mean_and_deviation, size, share=setup.share))


def _check_recorded(folder: Path, epochs: int) -> None:
    """A trial is worth nothing without its record, which a full disk may have ended."""
    info = read_info(folder)
    if len(info["epochs"]) < epochs or len(info.get("batches", ())) < epochs:
        raise OSError(f"The record in {folder} has stopped; the same call goes on from there.")


def _shared(part: Part, setup: Setup) -> int:
    """How many images of a part the devices can share equally."""
    return len(part) // setup.parts * setup.parts


@contextmanager
def _locked(folder: Path, setup: Setup) -> Iterator[None]:
    """Keeps a second process, such as one whose work was given to another, from the same folder."""
    if not setup.writes:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK_FILE, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise OSError(f"Another process trains in {folder}: {file.read()}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        yield
