"""The model, the images and the preprocessing that an export starts from."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keraskip.data import Dataset
    from keraskip.export.preprocessing import Preprocessing

# The most images to take from a data set.
MOST_IMAGES = 100


def check_source(network: str, weights: str | None) -> None:
    """ValueError or OSError unless `network` is a file or a name; loads no Keras."""
    from keraskip.models.zoo import find

    if not network.endswith(".keras"):
        find(network)
    elif weights:
        raise ValueError("--weights is for a name; a .keras file has its own.")
    elif not Path(network).is_file():
        raise FileNotFoundError(f"There is no file {network}.")


def model_of(
    network: str, weights: str | None
) -> tuple["keras.Model", Path | None, "Preprocessing | None"]:
    """The model, the run folder that its file lies in, and its preprocessing, as far as known."""
    if network.endswith(".keras"):
        return loaded(Path(network)), *_origin(Path(network).parent)
    from keraskip.models.zoo import build

    # An export knows the preprocessing of weights that come with one.
    return build(network, weights=weights), None, None


def loaded(file: Path) -> "keras.Model":
    """The model of a .keras file, also a deep or a memory-efficient one."""
    import keras

    import keraskip.models.recompute  # noqa: F401  registers its layers
    from keraskip.models.large_graphs import deep_graphs

    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}.")
    with deep_graphs():
        return keras.models.load_model(file)


def images_of(dataset: str) -> tuple["np.ndarray", "Preprocessing"]:
    """Normalised training images from all over a data set, and their preprocessing."""
    import numpy as np

    from keraskip.data import load_data

    data: Dataset = load_data(dataset)
    indices = np.unique(np.linspace(0, len(data.train) - 1, MOST_IMAGES).astype(int))
    mean, deviation = data.mean_and_deviation
    images = (data.train.read(indices) - mean) / deviation
    return images, _normalization(mean, deviation, data.white)


def _origin(folder: Path) -> tuple[Path | None, "Preprocessing | None"]:
    """The folder and the run's preprocessing, if the folder holds a run."""
    from keraskip.runs import INFO_FILE, read_info

    if not (folder / INFO_FILE).is_file():
        return None, None
    known = read_info(folder).get("normalization")
    return folder, known and _normalization(known["mean"], known["deviation"], known["white"])


def _normalization(mean: "np.ndarray", deviation: "np.ndarray", white: float) -> "Preprocessing":
    """The normalisation of a data set, for images of 0 to 255."""
    import numpy as np

    from keraskip.export.preprocessing import Preprocessing

    scale = 255 / white
    return Preprocessing(np.multiply(mean, scale).tolist(), np.multiply(deviation, scale).tolist())
