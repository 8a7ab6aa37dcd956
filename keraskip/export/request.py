"""What an export is asked for, in every format."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import keras

from keraskip.export.network.contract import Contract
from keraskip.export.network.preprocessing import Preprocessing, preprocessing_of_run
from keraskip.models.origin import origin_of


class Request(TypedDict, total=False):
    """The arguments that all formats share; `keraskip.export_savedmodel` explains them."""

    preprocessing: Preprocessing | None
    class_names: Sequence[str] | None
    fold_batch_norm: bool
    samples: Any
    input_shape: Any
    run: str | Path | None
    metrics: Mapping[str, float] | None
    overwrite: bool


def request_for(model: keras.Model, **arguments: Unpack[Request]) -> Request:
    """The request, with the preprocessing of the run, or preprocessing and classes of the weights.

    Given ones go first; `Preprocessing()` and an empty list stand for none. After a run
    the weights are no longer those that the model was built with, and its images may be others.

    Raises:
        TypeError: for an argument that exports do not have, and for one string as class names.
    """
    if unknown := {*arguments} - {*Request.__annotations__}:
        raise TypeError(
            f"An export takes the arguments {', '.join(Request.__annotations__)}. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    known: Request = {"preprocessing": None, "class_names": None}
    if (run := arguments.get("run")) is not None:
        known["preprocessing"] = preprocessing_of_run(run)
    elif origin := origin_of(model):
        known["preprocessing"] = Preprocessing.of_model(model)
        known["class_names"] = origin.class_names
    request: Any = known | {key: value for key, value in arguments.items() if value is not None}
    return request | {"class_names": _names(request["class_names"])}


def _names(names: Sequence[str] | None) -> list[str]:
    """A list, as it is read several times; empty if the names are not known."""
    if isinstance(names, str):
        raise TypeError(f"class_names must be a list of names. Received: {names!r}")
    # Half a surrogate pair, which no file can hold, becomes its escape, as in the card.
    return [str(name).encode("utf-8", "backslashreplace").decode() for name in names or ()]


def check_request(request: Request, contract: Contract) -> None:
    """ValueError unless preprocessing and class names fit the model."""
    if steps := request["preprocessing"]:
        if contract.image is None:
            raise ValueError(
                "preprocessing is for models whose only input is an image. "
                f"Received: inputs {'; '.join(map(str, contract.inputs))}"
            )
        steps.check_channels(contract.image[-1] or 0)
    names = request["class_names"]
    if names and len(names) != contract.classes:
        raise ValueError(
            "class_names must have a name for each class of the model. "
            f"Received: {len(names)} names, outputs {'; '.join(map(str, contract.outputs))}"
        )
