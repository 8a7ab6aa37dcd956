"""The model, the images and the preprocessing that an export starts from."""

from pathlib import Path
from typing import TYPE_CHECKING

from keraskip.cli.terminal import warnings_in_one_line
from keraskip.cli.trust import load

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keraskip.data import Dataset
    from keraskip.export.network.preprocessing import Preprocessing

# The most images to take from a data set.
MOST_IMAGES = 100


def parted(source: str) -> tuple[str, str | None]:
    """The name or file, and the weights that stand behind the colon of NAME:WEIGHTS.

    The path of a .keras file may have a colon, too, such as that of a drive.
    """
    from keraskip.models.zoo import list_models

    name, colon, weights = source.partition(":")
    is_file = source.endswith(".keras") and name not in list_models()
    return (name, weights) if colon and not is_file else (source, None)


def check_source(network: str, weights: str | None) -> None:
    """ValueError or OSError unless `network` is a file or a name; loads no Keras."""
    from keraskip.models.zoo import find

    if not network.endswith(".keras"):
        find(network)
    elif weights is not None:
        raise ValueError(
            "Weights are for a name; a .keras file has its own. "
            f"Received: {network} with weights {weights}"
        )
    elif not Path(network).is_file():
        raise FileNotFoundError(f"There is no file {network}.")


def model_of(
    network: str, weights: str | None, trust: bool = False
) -> tuple["keras.Model", Path | None, "Preprocessing | None"]:
    """The model, the run folder that its file lies in, and its preprocessing, as far as known.

    Args:
        network: a .keras file, or a name.
        weights: the weights of a name.
        trust: whether code that the file brings may run.
    """
    if network.endswith(".keras"):
        return load(network, trust), *_origin(Path(network).parent)
    from keraskip.models.available import weights_of
    from keraskip.models.zoo import build

    with warnings_in_one_line():
        model = build(network, weights=weights)
    # Weights with a name bring their preprocessing along; a file may lie in a run folder.
    if weights is None or weights in weights_of(network):
        return model, None, None
    return model, *_origin(Path(weights).parent)


def images_of(dataset: str) -> tuple["np.ndarray", "Preprocessing"]:
    """Normalised training images from all over a data set, and their preprocessing."""
    import numpy as np

    from keraskip.data import load_data
    from keraskip.export.network.preprocessing import preprocessing_of

    data: Dataset = load_data(dataset)
    indices = np.unique(np.linspace(0, len(data.train) - 1, MOST_IMAGES).astype(int))
    mean, deviation = data.mean_and_deviation
    images = (data.train.read(indices) - mean) / deviation
    return images, preprocessing_of(mean, deviation, data.white)


def _origin(folder: Path) -> tuple[Path | None, "Preprocessing | None"]:
    """The folder and the run's preprocessing, if the folder holds a run."""
    from keraskip.export.network.preprocessing import preprocessing_of_run
    from keraskip.runs import INFO_FILE

    is_run = (folder / INFO_FILE).is_file()
    return (folder, preprocessing_of_run(folder)) if is_run else (None, None)
