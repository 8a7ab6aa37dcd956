"""The script of a page with the libraries that draw, kept in the user's cache folder."""

import hashlib
import os
import tempfile
from contextlib import suppress
from functools import cache
from importlib import metadata, resources
from pathlib import Path

import vl_convert


@cache
def script() -> str:
    """The whole script: `page.js` and what it imports."""
    source = resources.files("keraskip.report").joinpath("page.js").read_text("utf-8")
    return bundled(source)


def bundled(source: str) -> str:
    """A script joined with the libraries that it imports.

    To join them takes two seconds and gives the same always. So the result is kept, for each
    version of vl-convert, which holds the libraries. A cache that cannot be read or written is
    ignored.

    Args:
        source: the script.
    """
    names = (metadata.version("vl-convert-python"), source)
    place = _place(hashlib.sha256("\n".join(names).encode()).hexdigest()[:16])
    kept = _read(place) if place else ""
    if kept:
        return kept
    made = vl_convert.javascript_bundle(source)
    if place:
        _keep(place, made)
    return made


def _place(key: str) -> Path | None:
    """The file for this key in the folder for caches; None where there is no such folder."""
    named = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        folder = Path(named) if named else Path.home() / ".cache"
    except RuntimeError:  # the user has no home
        return None
    return folder / "keraskip" / f"page-{key}.js"


def _read(place: Path) -> str:
    """What was kept; empty if nothing was, or if it was damaged since."""
    with suppress(OSError, ValueError):
        digest, _, text = place.read_bytes().partition(b"\n")
        if digest.decode() == hashlib.sha256(text).hexdigest():
            return text.decode("utf-8")
    return ""


def _keep(place: Path, text: str) -> None:
    """Writes a draft first: two processes may do so at once, and another one reads."""
    data = text.encode("utf-8")
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
            os.replace(draft, place)
        except OSError:
            os.unlink(draft)
