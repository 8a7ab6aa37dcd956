"""The official archives of Fashion-MNIST (Xiao et al. 2017, licence MIT), read and checked.

    python tests/fashion_archives.py FOLDER fashion_mnist.npz

writes their arrays as a file for `--dataset npz:fashion_mnist.npz`, the images in their own order.
The archives are at https://github.com/zalandoresearch/fashion-mnist.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

# As the authors publish them.
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip


def read_part(folder, part):
    """Images [n, 28, 28, 1], uint8, and labels [n] of `"train"` or `"t10k"`."""
    images = _content(Path(folder) / f"{part}-images-idx3-ubyte.gz")
    labels = _content(Path(folder) / f"{part}-labels-idx1-ubyte.gz")
    # Behind headers of four and of two numbers of four bytes.
    images, labels = (np.frombuffer(x, "uint8", offset=n) for x, n in ((images, 16), (labels, 8)))
    return images.reshape(-1, 28, 28, 1), labels


def _content(archive):
    compressed = archive.read_bytes()
    found = hashlib.md5(compressed).hexdigest()
    if found != MD5[archive.name]:
        raise ValueError(f"{archive} must have the MD5 {MD5[archive.name]}. Received: {found}")
    return gzip.decompress(compressed)


def write_npz(folder, path):
    """Writes the training and the test part into one file."""
    (x_train, y_train), (x_test, y_test) = (read_part(folder, part) for part in ("train", "t10k"))
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    write_npz(*sys.argv[1:])
