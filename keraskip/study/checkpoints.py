"""The files that a trial keeps after each epoch, each written whole or not at all."""

import os
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

if TYPE_CHECKING:
    import keras

CHECKPOINTS = "checkpoints"
# Written last: a folder that has it holds a finished trial.
MODEL_FILE = "model.keras"
OPTIMIZER = "optimizer_"


def keep(model: "keras.Model", folder: Path, epochs: int) -> None:
    """Writes the state after `epochs` epochs and removes the earlier checkpoint."""
    from keras import ops

    checkpoints = folder / CHECKPOINTS
    checkpoints.mkdir(exist_ok=True)
    earlier = _checkpoints(folder)
    draft = checkpoints / "draft.npz"
    optimizer_state: dict[str, Any] = {}
    # On JAX the optimizer's `variables` also hold the recorder's.
    model.optimizer.save_own_variables(optimizer_state)
    values = {f"{OPTIMIZER}{key}": value for key, value in optimizer_state.items()}
    for number, variable in enumerate(_state_variables(model)):
        values[str(number)] = ops.convert_to_numpy(variable.value)
    with open(draft, "wb") as file:
        np.savez(file, **values)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, checkpoints / f"epoch_{epochs:05d}.npz")
    for checkpoint in earlier:
        checkpoint.unlink()


def restore(model: "keras.Model", folder: Path) -> int:
    """Restores the last checkpoint; returns how many epochs it had, 0 without one.

    Raises:
        ValueError: if the checkpoint is damaged, or of another network.
    """
    checkpoints = _checkpoints(folder)
    if not checkpoints:
        return 0
    last = checkpoints[-1]
    try:
        with np.load(last, allow_pickle=False) as values:
            _assign(model, values)
        return int(last.stem.removeprefix("epoch_"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(
            f"{last} cannot be restored ({reason}). Without {folder} the trial begins anew."
        ) from error


def _assign(model: "keras.Model", values: Any) -> None:
    for number, variable in enumerate(_state_variables(model)):
        variable.assign(values[str(number)])
    model.optimizer.build(model.trainable_variables)
    keys = [key for key in values.files if key.startswith(OPTIMIZER)]
    optimizer_state = {key.removeprefix(OPTIMIZER): values[key] for key in keys}
    model.optimizer.load_own_variables(optimizer_state)


def finish(model: "keras.Model", folder: Path) -> None:
    """Saves the trained model without its optimizer, and removes the checkpoints."""
    import keras

    draft = folder / f".draft.{MODEL_FILE}"
    keras.Model(model.inputs, model.outputs, name=model.name).save(draft, overwrite=True)
    os.replace(draft, folder / MODEL_FILE)
    shutil.rmtree(folder / CHECKPOINTS)


def _state_variables(model: "keras.Model") -> list[Any]:
    """Weights and random states; the latter are in no weights file of Keras."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / CHECKPOINTS).glob("epoch_*.npz"))
