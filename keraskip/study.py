"""A study: a list of trials that differ in one thing, trained alike, each into its run folder."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from keraskip.data import Dataset, load_data
from keraskip.models.depths import BASIC, DENSE
from keraskip.runs import INFO_FILE

if TYPE_CHECKING:
    import keras

# Told the number of the trial, the trial, and how many of its epochs are done.
Progress = Callable[[int, "Trial", int], None]


@dataclass(frozen=True)
class Trial:
    """One network to train.

    Attributes:
        name: of the run folder.
        family: `"plain"`, `"resnet"` or `"densenet"`.
        arguments: of the family's builder, apart from input shape and classes.
        dataset: name of the data set, see `keraskip.data.load_data`.
        epochs: how often the training images are seen.
        batch_size: images per step.
        learning_rate: of SGD with momentum 0.9.
        seed: of the initial weights and the order of the images.
    """

    name: str
    family: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.01
    seed: int = 0

    def build(self, dataset: Dataset) -> "keras.Model":
        """The compiled model with its initial weights."""
        import keras

        from keraskip.models.densenet import build_densenet
        from keraskip.models.residual import build_plain, build_resnet

        builders: dict[str, Callable[..., keras.Model]] = {
            "plain": build_plain,
            "resnet": build_resnet,
            "densenet": build_densenet,
        }
        keras.utils.set_random_seed(self.seed)
        model = builders[self.family](
            input_shape=dataset.input_shape, classes=dataset.classes, **self.arguments
        )
        model.compile(
            keras.optimizers.SGD(self.learning_rate, momentum=0.9),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model


def vanishing(
    depths: Sequence[int] = (20, 56), epochs: int = 5, dataset: str = "digits", seed: int = 0
) -> list[Trial]:
    """What skips do where the gradient really vanishes: the 2014 way, without normalisation.

    Plain, pre-activation residual and dense networks with tanh and Glorot initialisation (Glorot &
    Bengio 2010) at each depth, and the textbook case: sigmoid, at the smallest depth.

    Args:
        depths: of the plain and residual networks, 6n+2; DenseNets take the nearest they have.
        epochs: of each trial.
        dataset: name of the data set.
        seed: of each trial.

    Raises:
        ValueError: for a depth that is not 6n+2, no depths or epochs, or a negative seed.
    """
    if not depths or epochs < 1 or seed < 0:
        raise ValueError(
            "A study needs at least one depth, at least one epoch and a seed from 0. "
            f"Received: depths={tuple(depths)}, epochs={epochs}, seed={seed}"
        )

    def trial(family: str, depth: int, activation: str) -> Trial:
        arguments: dict[str, Any] = {"depth": depth, "activation": activation}
        arguments |= {"normalization": None, "kernel_initializer": "glorot_uniform"}
        if family != "densenet":
            arguments["variant"] = "preact"
        name = f"{family}{depth}" + ("" if activation == "tanh" else f"_{activation}")
        return Trial(name, family, arguments, dataset=dataset, epochs=epochs, seed=seed)

    trials = []
    for depth in sorted(set(depths)):
        BASIC.blocks(depth)
        trials += [trial("plain", depth, "tanh"), trial("resnet", depth, "tanh")]
        trials += [trial("densenet", DENSE.nearest(depth), "tanh")]
    shallow = min(depths)
    return [*trials, trial("plain", shallow, "sigmoid"), trial("resnet", shallow, "sigmoid")]


STUDIES = {"vanishing": vanishing}


def named_study(name: str, **settings: Any) -> list[Trial]:
    """The trials of a study by name; ValueError lists the names there are."""
    if name not in STUDIES:
        raise ValueError(f"study must be one of {tuple(STUDIES)}. Received: study={name!r}")
    return STUDIES[name](**settings)


def run_study(
    study: str | Sequence[Trial] = "vanishing",
    out: str | Path = "runs/vanishing",
    *,
    progress: Progress = lambda number, trial, epochs: None,
) -> list[Path]:
    """Trains the trials of a study, each into its folder in `out`.

    Trials that are already finished there are left alone, so a study that was interrupted can be
    started again.

    Args:
        study: name of a study, or a list of trials.
        out: the folder for the run folders.
        progress: called with the number of the trial, the trial and its epochs done.

    Returns:
        The run folders, in the order of the trials.

    Raises:
        ValueError: for an unknown study or data set, two trials of one name, or a run of other
            settings in the way; before any training.
        OSError: if `out` cannot be written.

    Example:

    >>> run_study([Trial("plain8", "plain", {"depth": 8})], "runs/mine")  # doctest: +SKIP
    [PosixPath('runs/mine/plain8')]
    """
    trials = named_study(study) if isinstance(study, str) else list(study)
    finished = check_study(trials, out)
    data = {name: load_data(name) for name in {trial.dataset for trial in trials}}
    for number, trial in enumerate(trials):
        if trial.name not in finished:
            report = partial(progress, number, trial)
            _train(trial, Path(out) / trial.name, data[trial.dataset], report)
        progress(number, trial, trial.epochs)
    return [Path(out) / trial.name for trial in trials]


def check_study(trials: Sequence[Trial], out: str | Path) -> set[str]:
    """The names of the trials that are finished in `out`; raises as `run_study` does."""
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        raise ValueError(f"Each trial needs a name of its own. Received: {names}")
    finished = {trial.name for trial in trials if _is_finished(Path(out) / trial.name, trial)}
    Path(out).mkdir(parents=True, exist_ok=True)
    # Asking the system for permission is not enough: a file system may be mounted read-only.
    with TemporaryFile(dir=out):
        return finished


def _is_finished(folder: Path, trial: Trial) -> bool:
    """Whether this very trial was trained to its end; ValueError if another one's run is there."""
    if not (folder / INFO_FILE).is_file():
        return False
    info = json.loads((folder / INFO_FILE).read_text(encoding="utf-8"))
    # Through JSON, as tuples come back as lists.
    if info.get("trial") != json.loads(json.dumps(asdict(trial))):
        raise ValueError(
            f"{folder} holds a run with other settings: choose another folder or delete it."
        )
    return info["status"] == "finished"


def _train(trial: Trial, folder: Path, data: Dataset, progress: Callable[[int], None]) -> None:
    import keras

    from keraskip.callbacks.recorder import GradientRecorder

    progress(0)
    keras.utils.clear_session()
    model = trial.build(data)
    # Again, so that all trials shuffle alike, however many numbers their weights took.
    keras.utils.set_random_seed(trial.seed)
    info = {
        "trial": asdict(trial),
        "seed": trial.seed,
        "classes": data.classes,
        "train_images": len(data.x_train),
    }
    model.fit(
        data.x_train,
        data.y_train,
        batch_size=trial.batch_size,
        epochs=trial.epochs,
        validation_data=(data.x_test, data.y_test),
        verbose=0,
        callbacks=[
            GradientRecorder(folder, info=info),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: progress(epoch + 1)),
        ],
    )
