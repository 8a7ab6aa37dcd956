"""The rules for `run.json`: its entries, and the type and range of each.

Other entries are allowed, as whoever records a run may add some.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

# The largest whole number that a float holds exactly.
LARGEST = 2**53
# A square of it is a float, too.
MOST = 1e150
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
Some = Annotated[int, Meta(ge=1, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1.001)]  # float32 may round above 1
Real = Annotated[float, Meta(ge=-MOST, le=MOST)]
Positive = Annotated[float, Meta(ge=0, le=MOST)]
# JSON has no NaN and no infinity.
Number = float | Literal["nan", "inf", "-inf"]
# Deeper networks are not drawn.
Depth = Annotated[int, Meta(ge=0, le=10**6)]


class Weight(Struct):
    """A recorded weight; see `Run.weights`."""

    path: str
    layer: str
    role: str
    depth: Depth
    shape: list[Some]
    size: Some
    positions: Some | None = None
    after: list[str] | None = None
    last: bool | None = None


class Epoch(Struct):
    """The counts of an epoch; its metrics are `METRICS`."""

    epoch: Count
    steps: Count
    next_step: Count = 0
    next_steps: list[Count] = []
    weights_norm: Number | None = None


class ProbeRow(Struct):
    """A value of a probe, or one for each time step."""

    epoch: Count
    probe: str
    layer: str
    depth: Depth
    value: Number | list[Number]


class Labels(Struct):
    """The labels of one output."""

    output: Count = 0
    weighted: bool = False
    count: Count = 0
    shares: list[Share] | None = None
    mean: Real | UnsetType = UNSET
    variance: Positive | UnsetType = UNSET
    means: list[Real] | None = None
    nonfinite: Count = 0

    def __post_init__(self) -> None:
        if not (self.nonfinite or self.shares) and self.mean is UNSET:
            raise ValueError("Object missing required field `shares` or `mean`")


class LabelsAfter(Struct):
    """The labels up to the end of an epoch."""

    epoch: Count
    steps: Count
    labels: list[Labels]


class Optimizer(Struct):
    """The settings that a diagnosis asks for."""

    name: str = msgspec.field(default="SGD", name="class")
    # Whether Keras has neither this class nor one that it extends.
    own: bool = False
    # A schedule has the name of its class.
    learning_rate: Real | str | None = None
    momentum: Positive | None = None
    weight_decay: Positive | None = None
    gradient_accumulation_steps: Count | None = None


class Training(Struct):
    """How the model is compiled."""

    loss: str | list[Any] | dict[str, Any] | None = None
    from_logits: bool | None = None
    optimizer: Optimizer | None = None
    penalised: bool | None = None
    dtype_policy: str = "float32"
    metrics: list[str] = []


class Output(Struct):
    """An output of the model."""

    layer: str | None
    activation: str | None
    units: Count | None = None


class Untrained(Struct):
    """A layer with weights that do not train."""

    layer: str


class Room(Struct):
    """The layers that `add_skips` could connect."""

    possible: Count
    around: Count
    hidden: Count


class Device(Struct):
    """The machine."""

    processor: str
    cpus: Count
    runs_on: str


class Git(Struct):
    """The state of the working directory."""

    commit: str
    dirty: bool


class Normalization(Struct):
    """Of the images of a study."""

    mean: list[Real]
    deviation: list[Positive]
    white: Annotated[float, Meta(gt=0, le=MOST)]


class Tested(Struct):
    """The result of a network on the test set."""

    accuracy: Number = 0.0


class Facts(Struct):
    """The entries of `run.json` besides its weights and epochs, and the rule of each."""

    status: Literal["running", "finished", "stopped", "interrupted"] = "running"
    started: str = ""
    command: list[str] = []
    versions: dict[str, str] = {}
    backend: str = ""
    device: Device | None = None
    git: Git | None = None
    model: str = ""
    gradient: str = ""
    depth_from: str = ""
    depth: Depth = 0
    unrecorded: Count = 0
    training: Training | None = None
    outputs: list[Output] | None = None
    classes: Some = 1
    untrained: list[Untrained] | None = None
    alike: list[str] | None = None
    recurrent: list[str] | None = None
    dropout: dict[str, Share] | None = None
    dropout_kinds: dict[str, str] | None = None
    calls: list[str] | None = None
    kinds: list[str] | None = None
    activations: list[str | None] | None = None
    skips: Room | None = None
    optimizers: list[str] = []
    optimizer_settings: list[Optimizer | None] | None = None
    labels: list[Labels] | None = None
    labels_after: list[LabelsAfter] | None = None
    probes: list[ProbeRow] = []
    phase_of: str = ""
    part: str = ""
    trial: Any = None
    network: Any = UNSET
    normalization: Normalization | None = None
    train_images: Count = 0
    test: Annotated[list[Tested], Meta(min_length=1)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        lists = {"calls": self.calls, "kinds": self.kinds, "activations": self.activations}
        lengths = {name: len(each) for name, each in lists.items() if each}
        wanted = len(lists) if self.kinds or (self.skips and self.skips.possible) else 0
        if len(set(lengths.values())) > 1 or len(lengths) < wanted:
            raise ValueError(
                f"Expected `calls`, `kinds` and `activations` of one length: {lengths}"
            )
        settings = self.optimizer_settings
        if settings is not None and len(settings) != len(self.optimizers):
            raise ValueError("Expected `optimizer_settings` for each of `optimizers`")
        if isinstance(self.trial, dict):
            network = {} if self.network is UNSET else self.network
            msgspec.convert([self.trial.get("arguments", {}), network], list[dict])


class Contents(Facts, kw_only=True):
    """All that `run.json` must say."""

    weights: Annotated[list[Weight], Meta(min_length=1)]
    epochs: list[Epoch]
