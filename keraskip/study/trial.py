"""One network, with everything that its training depends on."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from keraskip.checks import (
    check_choices,
    check_distinct,
    check_flag,
    check_integer,
    check_number,
    check_rate,
    check_rising,
)
from keraskip.data import Dataset
from keraskip.data.batches import AUGMENTATIONS
from keraskip.models.choices import MOST
from keraskip.models.zoo import find
from keraskip.study.names import check_file_name, is_plain
from keraskip.study.recipes import optimizer

if TYPE_CHECKING:
    import keras


# As numpy seeds its random numbers.
LARGEST_SEED = 2**32 - 1
# In pixels: a side of a square that fits into memory.
LARGEST_IMAGE = 2**14
FAMILIES = ("plain", "resnet", "densenet", "mlp")


@dataclass(frozen=True)
class Trial:
    """One network to train.

    Attributes:
        name: name of the run folder.
        network: `"plain"`, `"resnet"`, `"densenet"`, `"mlp"` (`keraskip/study/mlp.py`), or one of
            `keraskip.list_models()`.
        arguments: arguments of the network's builder, except input shape and classes, as JSON
            values.
        skips: arguments of `keraskip.add_skips`, as JSON values, to train the twin that it makes;
            None for the network as it is built.
        dataset: name of the data set, see `keraskip.data.load_data`.
        image_size: side of the square to which images are scaled; None leaves them as they are.
        augment: any of `"crop"` and `"flip"`, see `keraskip.data.batches`.
        epochs: how often the training images are seen.
        batch_size: images in a step, on all devices together.
        learning_rate: the initial learning rate.
        rate_drops: shares of the training after which the learning rate is divided by 10.
        warm_up: share of the training that begins with a tenth of the learning rate.
        momentum: momentum of stochastic gradient descent.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: the part of each weight that is added to its gradient.
        seed: seed of the initial weights, the order of the images and their augmentation.

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
    skips: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        try:
            self._check()
        except TypeError as error:
            # Settings are read from files and from text: a wrong type is a wrong value.
            raise ValueError(str(error)) from None

    def _check(self) -> None:
        if not is_plain(self.name):
            check_file_name("name", self.name)
        ranges = {"epochs": (1, MOST), "batch_size": (1, MOST), "seed": (0, LARGEST_SEED)}
        if self.image_size is not None:
            ranges["image_size"] = (1, LARGEST_IMAGE)
        for name, ends in ranges.items():
            # JSON takes Python's integers only.
            object.__setattr__(self, name, check_integer(name, getattr(self, name), *ends))
        for name in "network", "dataset":
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be a name. Received: {name}={getattr(self, name)!r}")
        for name in "arguments", "skips":
            if not isinstance(getattr(self, name), dict) and (name, self.skips) != ("skips", None):
                raise ValueError(
                    f"{name} must be a dictionary. Received: {name}={getattr(self, name)!r}"
                )
        check_number("learning_rate", self.learning_rate, above=0)
        for name in "momentum", "weight_decay", "warm_up":
            check_rate(name, getattr(self, name))
        check_flag("nesterov", self.nesterov)
        check_choices("augment", self.augment, AUGMENTATIONS)
        check_rising("rate_drops", self.rate_drops, 0, 1)
        if self.rate_drops and self.rate_drops[0] <= self.warm_up:
            raise ValueError(
                "rate_drops must come after warm_up. "
                f"Received: rate_drops={self.rate_drops!r}, warm_up={self.warm_up}"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """All attributes as JSON values, to store and to compare."""
        try:
            settings = json.loads(json.dumps(asdict(self)))
        except TypeError as error:
            raise ValueError(
                f"The arguments of a trial must be JSON values. Received: {self.name!r}: {error}"
            ) from None
        if self.skips is None:
            # Older runs of the same trial lack it, and go on.
            del settings["skips"]
        return settings

    @property
    def family(self) -> str:
        """One of `FAMILIES`; ValueError for an unknown network."""
        return self.network if self.network in FAMILIES else _builder(self.network)

    @property
    def depth(self) -> int:
        """How many layers the network has, 0 if neither name nor arguments tell."""
        depth = self.builder_arguments.get("depth")
        return depth if isinstance(depth, int) else 0

    @property
    def builder_arguments(self) -> dict[str, Any]:
        """The arguments of the family's builder, except input shape and classes."""
        if self.network in FAMILIES:
            return self.arguments
        return {**find(self.network).arguments, **self.arguments}

    def is_seed_of(self, other: "Trial") -> bool:
        """Whether the two differ in seed and name alone."""
        return type(self) is type(other) and self == replace(other, name=self.name, seed=self.seed)

    def changed(self, key: str, value: Any) -> "Trial":
        """The trial with one value changed: an attribute, or else an argument of the builder."""
        if key in ("name", "network", "arguments", "seed", "skips"):
            raise ValueError(
                f"{key} is what trials differ in and cannot be set for all of them. "
                f"Received: {key}={value!r}"
            )
        if key in {field.name for field in fields(self)}:
            return replace(self, **{key: value})
        return replace(self, arguments={**self.arguments, key: value})

    def build(self, data: Dataset, steps: int) -> "keras.Model":
        """The compiled model with its initial weights, for a training of `steps` steps."""
        import keras

        keras.utils.set_random_seed(self.seed)
        return self.build_unseeded(data, steps)

    def build_unseeded(self, data: Dataset, steps: int) -> "keras.Model":
        """The compiled model with weights by the seed that is set."""
        import keras

        from keraskip.models.densenet import build_densenet
        from keraskip.models.residual import build_plain, build_resnet
        from keraskip.models.skips import add_skips
        from keraskip.study.mlp import build_mlp

        builders: dict[str, Callable[..., keras.Model]] = {
            "plain": build_plain,
            "resnet": build_resnet,
            "densenet": build_densenet,
            "mlp": build_mlp,
        }
        size = {"input_shape": data.input_shape, "classes": data.classes}
        model = builders[self.family](**size, **self.builder_arguments)
        if self.skips is not None:
            model = add_skips(model, verbose=False, **self.skips)
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
    """Each trial with each seed; if there are several seeds, the names of the trials tell them."""
    check_distinct("seeds", seeds)
    if len(seeds) == 1:
        return [replace(trial, seed=seeds[0]) for trial in trials]
    return [
        replace(trial, name=f"{trial.name}_seed{seed}", seed=seed)
        for trial in trials
        for seed in seeds
    ]


def _builder(network: str) -> str:
    return find(network).builder.removeprefix("build_")
