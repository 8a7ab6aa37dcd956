"""What a trial keeps after each epoch, each file written whole or not at all."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

CHECKPOINTS = "checkpoints"
# Written last, so that where it is the trial is over.
MODEL_FILE = "model.keras"
OPTIMIZER = "optimizer_"


def keep(model: "keras.Model", folder: Path, epochs: int) -> None:
    """Writes all state after so many epochs, in place of the last."""
    from keras import ops

    checkpoints = folder / CHECKPOINTS
    checkpoints.mkdir(exist_ok=True)
    earlier = _kept(folder)
    draft = checkpoints / "draft.npz"
    of_optimizer: dict[str, Any] = {}
    # Not its `variables`, among which the recorder's are on JAX.
    model.optimizer.save_own_variables(of_optimizer)
    values = {f"{OPTIMIZER}{key}": value for key, value in of_optimizer.items()}
    for number, variable in enumerate(_of_model(model)):
        values[str(number)] = ops.convert_to_numpy(variable.value)
    with open(draft, "wb") as file:
        np.savez(file, **values)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, checkpoints / f"epoch_{epochs:05d}.npz")
    for checkpoint in earlier:
        checkpoint.unlink()


def restore(model: "keras.Model", folder: Path) -> int:
    """Brings the last checkpoint back; returns how many epochs it had, 0 without one."""
    kept = _kept(folder)
    if not kept:
        return 0
    with np.load(kept[-1], allow_pickle=False) as values:
        for number, variable in enumerate(_of_model(model)):
            variable.assign(values[str(number)])
        model.optimizer.build(model.trainable_variables)
        own = [key for key in values.files if key.startswith(OPTIMIZER)]
        of_optimizer = {key.removeprefix(OPTIMIZER): values[key] for key in own}
        model.optimizer.load_own_variables(of_optimizer)
    return int(kept[-1].stem.removeprefix("epoch_"))


def finish(model: "keras.Model", folder: Path) -> None:
    """Saves the trained model, without its optimizer, in place of the checkpoints."""
    import keras

    draft = folder / f".draft.{MODEL_FILE}"
    keras.Model(model.inputs, model.outputs, name=model.name).save(draft, overwrite=True)
    os.replace(draft, folder / MODEL_FILE)
    shutil.rmtree(folder / CHECKPOINTS)


def _of_model(model: "keras.Model") -> list[Any]:
    """Weights, and the random states, which no weights file of Keras has."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]


def _kept(folder: Path) -> list[Path]:
    return sorted((folder / CHECKPOINTS).glob("epoch_*.npz"))
