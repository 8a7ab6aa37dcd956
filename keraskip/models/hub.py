"""The ImageNet weights of torchvision, as timm keeps them on the Hugging Face Hub.

Each file has the first weights that torchvision published of a network (`IMAGENET1K_V1`, licence
BSD-3-Clause). The repositories have names like https://huggingface.co/timm/resnet18.tv_in1k.
"""

import hashlib
import warnings
from pathlib import Path
from typing import NamedTuple

FILE = "model.safetensors"


class Pin(NamedTuple):
    """A commit of a repository, and the SHA-256 of the file in it."""

    revision: str
    sha256: str


# Other public projects pin the same commits and hashes. Nobody compared them with the Hub for this
# package; with a wrong one, the file is refused. No project was found that pins the networks with
# None: their first file from the branch `main` stays in the cache, and a warning names its commit.
PINS: dict[str, Pin | None] = {
    "resnet18": Pin(
        "bbd144b3e5565108aad885f145491d11bc6ce807",
        "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
    ),
    "resnet34": Pin(
        "1b7b21cca82ff974d341713f777bf740c2db38c4",
        "0bb82595a564991a9d424708b33f5d843f5aaed7f6c0886ff10849ff97022235",
    ),
    "resnet50": Pin(
        "78f3ecfdb38e06d9b8397f662e7ab8fee96026fa",
        "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    ),
    "resnet101": None,
    "resnet152": None,
    "densenet121": Pin(
        "f0d0f2698a02cb133b09d48396db6e1e46fe9f3b",
        "c894c6d9caa317a8ca1942986dee7a16a86c77734a4d691d2abe05389cfef358",
    ),
    "densenet161": None,
    "densenet169": None,
    "densenet201": None,
}


def repository(network: str) -> str:
    """The repository of a network, one of `PINS`."""
    return f"timm/{network}.tv_in1k"


def fetch(network: str) -> Path:
    """The file with the weights of a network, one of `PINS`, downloaded unless it is there.

    `huggingface_hub` keeps it in its own cache and reads its variables, such as `HF_HOME`,
    `HF_ENDPOINT` and `HF_HUB_OFFLINE`.

    Raises:
        ImportError: without `huggingface_hub`.
        ConnectionError: if the file is neither in the cache nor to be had.
        ValueError: if the file does not have the pinned hash, or the one that the cache names.

    Warns:
        UserWarning: for a network without a pin, with the commit and the hash of its file.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        raise ImportError(
            "weights='imagenet' of this network come from the Hugging Face Hub and need "
            "huggingface_hub: pip install 'keraskip[hub]'"
        ) from None
    pin = PINS[network]
    where = repository(network)
    # Without a pin, a later state of the branch must not replace the file that is there.
    kept = None if pin else try_to_load_from_cache(where, FILE)
    revision = pin.revision if pin else "main"
    path = Path(kept) if isinstance(kept, str) else _download(where, revision)
    found = _check_hash(path, where, pin)
    if pin is None:
        warnings.warn(
            f"keraskip pins no revision of {where}: it keeps the first download, commit "
            f"{commit_of(path)} with the SHA-256 {found}",
            stacklevel=2,
        )
    return path


def commit_of(path: Path) -> str:
    """The commit of a file in the cache, `models--<repository>/snapshots/<commit>/<file>`."""
    return path.parent.name


def _download(where: str, revision: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(where, FILE, revision=revision))
    # Anything may fail in a download, and httpx, which huggingface_hub uses, has errors of its own.
    except Exception as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ConnectionError(
            f"{FILE} of {where} at revision {revision} is not in the cache and cannot be "
            f"downloaded; weights= also takes the path of a copy of this file. {reason}"
        ) from error


def _check_hash(path: Path, where: str, pin: Pin | None) -> str:
    """The SHA-256 of the file; ValueError unless it is the one it should have."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    content = path.resolve()
    # Except on Windows, `path` is a link to a file with the hash as its name.
    named = content.name if path.is_symlink() and len(content.name) == len(found) else found
    expected = pin.sha256 if pin else named
    if found != expected:
        raise ValueError(
            f"{FILE} of {where} must have the SHA-256 {expected}; delete the file below to "
            # A link without its file is made anew.
            f"download it again. Received: {found}, in {content}"
        )
    return found
