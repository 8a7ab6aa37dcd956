"""One network with all that its training depends on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keraskip.data import Dataset
from keraskip.data.batches import AUGMENTATIONS
from keraskip.models.zoo import find
from keraskip.study.recipes import optimizer

if TYPE_CHECKING:
    import keras


FAMILIES = ("plain", "resnet", "densenet")


@dataclass(frozen=True)
class Trial:
    """One network to train.

    Attributes:
        name: of the run folder.
        network: `"plain"`, `"resnet"`, `"densenet"`, or one of `keraskip.list_models()`.
        arguments: of the network's builder, apart from input shape and classes, as JSON values.
        dataset: name of the data set, see `keraskip.data.load_data`.
        image_size: side of the square to which images are brought, None to leave them.
        augment: any of `"crop"` and `"flip"`, see `keraskip.data.batches`.
        epochs: how often the training images are seen.
        batch_size: images in a step, on all devices together.
        learning_rate: at first.
        rate_drops: shares of the training after which it is divided by 10.
        warm_up: share of the training that begins with a tenth of it.
        momentum: of stochastic gradient descent.
        nesterov: whether momentum is Nesterov's.
        weight_decay: what part of each weight is added to its gradient.
        seed: of the initial weights, the order of the images and their augmentation.

    Raises:
        ValueError: for a value that no training can have.

    Example:

    >>> Trial("mine", "resnet", {"depth": 20, "activation": "tanh"}, epochs=3).epochs
    3
    """

    name: str
    network: str
    arguments: dict[str, Any] = field(default_factory=dict)
    dataset: str = "digits"
    image_size: int | None = None
    augment: Sequence[str] = ()
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.01
    rate_drops: Sequence[float] = ()
    warm_up: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for rule, is_kept in (
            ("name must be a plain file name", Path(self.name).name == self.name != ""),
            ("epochs must be a number from 1", _is_count(self.epochs)),
            ("batch_size must be a number from 1", _is_count(self.batch_size)),
            (
                "image_size must be a number from 1",
                self.image_size is None or _is_count(self.image_size),
            ),
            ("seed must be a number from 0", _is_count(self.seed, least=0)),
            ("learning_rate must be above 0", _is_within(self.learning_rate, 0, inf)),
            ("momentum must be in [0, 1)", _is_share(self.momentum)),
            ("nesterov must be true or false", isinstance(self.nesterov, bool)),
            ("weight_decay must be from 0 to below 1", _is_share(self.weight_decay)),
            ("warm_up must be in [0, 1)", _is_share(self.warm_up)),
            (
                "rate_drops must be a rising list, in (0, 1) and after the warm_up",
                _is_listed(self.rate_drops, lambda share: _is_within(share, 0, 1))
                and [*self.rate_drops] == sorted({*self.rate_drops})
                and (not self.rate_drops or self.warm_up < self.rate_drops[0]),
            ),
            (
                f"augment must be a list of any of {AUGMENTATIONS}",
                _is_listed(self.augment, AUGMENTATIONS.count),
            ),
        ):
            key = rule.split()[0]
            if not is_kept:
                raise ValueError(f"{rule}. Received: {key}={getattr(self, key)!r}")

    @property
    def settings(self) -> dict[str, Any]:
        """All of it as JSON values, to keep and to compare."""
        try:
            return json.loads(json.dumps(asdict(self)))
        except TypeError as error:
            raise ValueError(
                f"A trial's arguments are JSON values: {error}. Received: {self.name!r}"
            ) from None

    @property
    def family(self) -> str:
        """Plain, resnet or densenet; ValueError for a network that is not in the zoo."""
        return self.network if self.network in FAMILIES else _builder(self.network)

    @property
    def builder_arguments(self) -> dict[str, Any]:
        """What the family's builder is given, apart from input shape and classes."""
        if self.network in FAMILIES:
            return self.arguments
        return {**find(self.network).arguments, **self.arguments}

    def changed(self, key: str, value: Any) -> "Trial":
        """The trial with another value of an attribute, or else of an argument of the builder."""
        if key in ("name", "network", "arguments", "seed"):
            raise ValueError(f"What makes a trial cannot be set for all. Received: {key}={value!r}")
        if key in {field.name for field in fields(self)}:
            return replace(self, **{key: value})
        return replace(self, arguments={**self.arguments, key: value})

    def build(self, data: Dataset, steps: int) -> "keras.Model":
        """The compiled model with its initial weights, for a training of so many steps."""
        import keras

        from keraskip.models.densenet import build_densenet
        from keraskip.models.residual import build_plain, build_resnet

        builders: dict[str, Callable[..., keras.Model]] = {
            "plain": build_plain,
            "resnet": build_resnet,
            "densenet": build_densenet,
        }
        keras.utils.set_random_seed(self.seed)
        size = {"input_shape": data.input_shape, "classes": data.classes}
        model = builders[self.family](**size, **self.builder_arguments)
        model.compile(
            optimizer(
                self.learning_rate,
                float(self.momentum),
                self.nesterov,
                self.weight_decay,
                steps,
                self.rate_drops,
                self.warm_up,
            ),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        return model


def with_seeds(trials: Sequence[Trial], seeds: Sequence[int]) -> list[Trial]:
    """Each trial with each seed; with several, the names say which."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must be different, and at least one. Received: {list(seeds)}")
    if len(seeds) == 1:
        return [replace(trial, seed=seeds[0]) for trial in trials]
    return [
        replace(trial, name=f"{trial.name}_seed{seed}", seed=seed)
        for trial in trials
        for seed in seeds
    ]


def _builder(network: str) -> str:
    return find(network).builder.removeprefix("build_")


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_within(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and low < value < high


def _is_share(value: Any) -> bool:
    return value == 0 or _is_within(value, 0, 1)


def _is_listed(values: Any, is_good: Callable[[Any], Any]) -> bool:
    return isinstance(values, list | tuple) and all(map(is_good, values))
