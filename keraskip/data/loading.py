"""Loads a data set by its name."""

from difflib import get_close_matches
from pathlib import Path

from keraskip.checks import check_integer
from keraskip.data.parts import Dataset, dataset_of, in_memory


def load_data(
    name: str = "digits",
    *,
    data_dir: str | Path | None = None,
    manual_dir: str | Path | None = None,
    image_size: int | None = None,
) -> Dataset:
    """Loads a data set by name.

    Args:
        name: one of
            `"digits"`, the 1,797 handwritten digits of 8x8 pixels that scikit-learn ships;
            an image classification set of tensorflow-datasets, such as `"cifar10"`, or
            `"tfds:NAME"`;
            `"folder:PATH"`, with one folder of images for each class; these may lie in folders
            `train`, `validation` and `test`;
            `"npz:PATH"`, with arrays `x_train` and `y_train`, and optionally `x_test` and so on,
            all on one scale. Missing parts are taken from the training part.
            An image file may have 67 million pixels and 512 MiB, and 8 or 16 bits a channel;
            of 16 the upper 8 are kept. It is turned upright as its EXIF says. The arrays of an npz
            may take a quarter of the memory, and 100 times the size of the file or 256 MiB.
        data_dir: the folder of prepared sets of tensorflow-datasets, by default its own.
        manual_dir: a folder with the official archives of a set of tensorflow-datasets, for
            machines without network.
        image_size: side of the square to which images of a folder or of tensorflow-datasets are
            scaled by their short side and cropped around their middle. Images of several sizes
            need it.

    Raises:
        TypeError: if `image_size` is no integer.
        ValueError: for an unknown name, a set without labels or with images of several sizes, an
            empty class, a file that is no image, is damaged, too large or no regular file, arrays
            that do not fit together.
        OSError: for a file that cannot be read, a set that cannot be downloaded.

    Example:

    >>> load_data("digits").input_shape
    (8, 8, 1)
    """
    kind, _, path = name.partition(":")
    if image_size is not None:
        check_integer("image_size", image_size, minimum=1)
    if image_size is not None and (name == "digits" or kind == "npz"):
        raise ValueError(
            "image_size is for folders and tensorflow-datasets; digits and npz have their own. "
            f"Received: dataset={name!r}, image_size={image_size}"
        )
    if name == "digits":
        return _digits()
    if kind == "npz" and path:
        from keraskip.data.arrays import load_arrays

        return load_arrays(name, Path(path))
    if kind == "folder" and path:
        from keraskip.data.folders import load_folder

        return load_folder(name, Path(path), image_size)
    from keraskip.data.catalogue import load_named, names

    wanted = path if kind == "tfds" else name
    if wanted.split("/")[0] not in names():
        close = get_close_matches(wanted, ["digits", *names()], n=4)
        raise ValueError(
            "dataset must be digits, a set of tensorflow-datasets, folder:PATH or npz:PATH. "
            f"Received: dataset={name!r} (nearest: {', '.join(close) or 'none'})"
        )
    return load_named(name, wanted, data_dir, manual_dir, image_size)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    # 16 grey levels above black.
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    return dataset_of("digits", {"train": in_memory(images, labels)}, classes=10)
