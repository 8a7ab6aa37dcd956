"""The classes that weights are for, and the refusal of weights for other classes."""

import io
import os
import zipfile
from pathlib import Path

from keraskip.models.frame import Frame

# The one dense layer of a network, under the name that Keras' files have for it.
CLASSIFIER = "layers/dense/vars/0"
WEIGHTS_IN_ARCHIVE = "model.weights.h5"


def check_classes(weights: str, count: int | None, frame: Frame) -> None:
    """ValueError if the network has a classifier that the weights do not fit.

    Args:
        weights: the argument of the builder.
        count: number of classes of the weights, 0 without a classifier, None if it is not known.
        frame: what says the classes of the network.
    """
    wanted = frame.class_count
    if not frame.include_top or count in (None, wanted):
        return
    theirs = f"are of {count} classes" if count else "have no classifier"
    ours = f"this network is of {wanted} classes"
    raise ValueError(
        f"weights={weights!r} {theirs}, {ours}: include_top=False, pooling='avg' takes all but "
        "the classifier, for a new one behind it. Received: "
        f"classes={wanted}" + (f" (nearest: {count})" if count else "")
    )


def classes_in(file: str | os.PathLike) -> int | None:
    """The number of classes in a file of Keras, 0 without a classifier, None if not known.

    Raises:
        ValueError: for a broken file.
    """
    if Path(file).suffix not in (".keras", ".h5"):
        return None
    import h5py

    try:
        whole = io.BytesIO(_weights_in(Path(file)))
        with h5py.File(whole) as content:
            if "layers" not in content:
                return None
            return content[CLASSIFIER].shape[-1] if CLASSIFIER in content else 0
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            "weights must be a whole file, as model.save or model.save_weights writes it. "
            f"Received: weights={os.fspath(file)!r} ({error})"
        ) from None


def _weights_in(file: Path) -> bytes:
    """The content of the file, or of the weights in a .keras file."""
    if file.suffix == ".h5":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        return archive.read(WEIGHTS_IN_ARCHIVE)
