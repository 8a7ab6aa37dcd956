"""One trial: built, trained from its last checkpoint on, tested once, saved."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from keraskip.data import Dataset, Part, load_data
from keraskip.runs import INFO_FILE, read_info
from keraskip.study.checkpoints import MODEL_FILE, finish, keep, restore
from keraskip.study.devices import Setup
from keraskip.study.kept import Kept, begin_anew, recorder_for, seed_again
from keraskip.study.locking import locked
from keraskip.study.trial import Trial

# Images at a time, when all are seen once.
EVALUATION_BATCH = 500


@lru_cache(maxsize=1)
def _load(name: str, data_dir: str | None, manual_dir: str | None, size: int | None) -> Dataset:
    return load_data(name, data_dir=data_dir, manual_dir=manual_dir, image_size=size)


def is_finished(folder: Path, trial: Trial) -> bool:
    """Whether the folder holds this trial, trained to its end; ValueError if it holds another."""
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
    kept: Kept | None = None,
) -> None:
    """Trains a trial, from its last checkpoint if there is one.

    Each epoch ends with a checkpoint of weights, optimizer and random states, so a training that
    was interrupted continues with the same numbers. The test set is used once, at the end. A
    network that is kept from another seed gives the same numbers as a new one.

    Args:
        trial: the trial to train.
        folder: its run folder.
        setup: where the data lie, and how many devices and processes train.
        progress: called with the number of epochs done.
        kept: keeps the network for the next trial, and may hold one for this trial.

    Raises:
        ValueError: for data, devices or settings that do not go together.
        OSError: if the folder cannot be written, or another process trains in it.
    """
    import keras

    data = loaded(trial, setup)
    if setup.parts > 1:
        kept = None  # each trial has a strategy of its own for several devices
    taken = kept.taken_for(trial) if kept else None
    if not taken:
        # Keras counts names from the start in each trial.
        keras.utils.clear_session()
    with locked(folder) if setup.writes else nullcontext(), setup.scope():
        if is_finished(folder, trial):
            # By another process, since this one looked.
            return progress(trial.epochs)
        steps = trial.epochs * (len(data.train) // trial.batch_size)
        model, former = _network(trial, data, steps, setup, taken)
        first = restore(model, folder)
        # Again, so that nothing depends on how many random numbers the weights took.
        seed_again(trial.seed) if taken else keras.utils.set_random_seed(trial.seed)
        recorder = recorder_for(former, folder, _info(trial, data, steps), first)
        progress(first)
        _fit(model, trial, data, setup, recorder, folder, progress)
        _test(model, trial, data, setup, recorder)
        if setup.writes:
            _check_recorded(folder, trial.epochs)
            finish(model, folder)
    if kept:
        kept.put(trial, model, recorder)


def _network(
    trial: Trial, data: Dataset, steps: int, setup: Setup, taken: tuple[Any, Any] | None
) -> tuple[Any, Any]:
    """The model with the initial weights of the trial, and the recorder that has traced its step.

    The recorder is None for a new model.
    """
    if taken:
        seed_again(trial.seed)
    fresh = trial.build_unseeded(data, steps) if taken else trial.build(data, steps)
    setup.prepare(fresh)
    # Before TensorFlow traces the step: a trace that makes variables is thrown away.
    fresh.optimizer.build(fresh.trainable_variables)
    if taken is None:
        return fresh, None
    model, recorder = taken
    begin_anew(model, fresh)
    return model, recorder


def loaded(trial: Trial, setup: Setup) -> Dataset:
    """The trial's data set; ValueError if the trial cannot be trained on it."""
    data = _load(trial.dataset, setup.data_dir, setup.manual_dir, trial.image_size)
    if trial.batch_size > len(data.train) or trial.batch_size % setup.parts:
        raise ValueError(
            "batch_size must be at most the number of training images, and a multiple of the "
            f"devices. Received: batch_size={trial.batch_size}, {len(data.train)} images, "
            f"{setup.parts} devices"
        )
    return data


def _info(trial: Trial, data: Dataset, steps: int) -> dict[str, Any]:
    """The facts about the trial that `run.json` keeps."""
    mean, deviation = data.mean_and_deviation
    return {
        "trial": trial.settings,
        "network": {"family": trial.family, **trial.builder_arguments},
        "seed": trial.seed,
        "classes": data.classes,
        # An export brings raw images into this form.
        "normalization": {
            "mean": mean.tolist(),
            "deviation": deviation.tolist(),
            "white": data.white,
        },
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "budget": {"epochs": trial.epochs, "steps": steps},
    }


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
        validation_data=_in_order(data, data.validation, setup),
        verbose=0,
        callbacks=[recorder, keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],
    )


def _test(model: Any, trial: Trial, data: Dataset, setup: Setup, recorder: Any) -> None:
    """Notes loss and metrics on the test set in the run."""
    logs = model.evaluate(_in_order(data, data.test, setup), verbose=0, return_dict=True)
    images = {"images": _sharable(data.test, setup)}
    numbers = {name: float(value) for name, value in logs.items()}
    recorder.note("test", {"epoch": trial.epochs, **images, **numbers})


def _in_order(data: Dataset, part: Part, setup: Setup) -> Any:
    """The images of a part for `evaluate`, as many as the devices can share equally."""
    from keraskip.data.batches import Batches
    from keraskip.data.feeding import evaluation_data

    shared = part.take(np.arange(_sharable(part, setup)))
    size = EVALUATION_BATCH // setup.parts * setup.parts
    return evaluation_data(Batches(shared, *data.mean_and_deviation, size, share=setup.share))


def _sharable(part: Part, setup: Setup) -> int:
    """How many images of a part the devices can share equally."""
    return len(part) // setup.parts * setup.parts


def _check_recorded(folder: Path, epochs: int) -> None:
    """OSError if the record stopped, as on a full disk; a trial is worth nothing without it."""
    info = read_info(folder)
    if len(info["epochs"]) < epochs or len(info.get("batches", ())) < epochs:
        raise OSError(f"The record in {folder} has stopped; the same call goes on from there.")
