"""Measures claims of the papers on skip connections again, and writes the page of them.

    python examples/claims.py [LETTERS ...] [--reduced] [--out docs/claims] [--page]

For each letter it writes a file LETTER.json with the numbers and a picture LETTER.svg; then, from
all such files, the page beside the folder. All ten take about two hours on two cores.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import vl_convert
from measured.claim import Claim, Outcome
from measured.page import Measured, page_of

from keraskip.machine import processors
from keraskip.versions import versions

MEASURED = Path(__file__).parent / "measured"
PACKAGES = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
LOOKS = {
    "background": "#ffffff",
    "font": "sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "header": {"labelFontSize": 13, "titleFontSize": 13},
}


def claims() -> dict[str, Claim]:
    """All claims by their letters: each file of `measured` that is called like `a_explosion.py`."""
    files = sorted(MEASURED.glob("[a-z]_*.py"))
    return {file.stem[0]: import_module(f"measured.{file.stem}").CLAIM for file in files}


def hardware() -> str:
    """The processor and the number of cores that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {processors()} cores"


def command(letter: str, reduced: bool) -> str:
    """The command that measures a claim as it is measured now."""
    import keras

    words = ["python", "examples/claims.py", letter, *(["--reduced"] if reduced else [])]
    return f"KERAS_BACKEND={keras.config.backend()} {shlex.join(words)}"


def record_of(claim: Claim, outcome: Outcome, reduced: bool, seconds: float) -> dict[str, Any]:
    """What is kept of a measurement, as JSON data."""
    import keras

    packages = ("keras", PACKAGES[keras.config.backend()], "keraskip")
    return {
        "letter": claim.letter,
        "command": command(claim.letter, reduced),
        "date": date.today().isoformat(),
        "seconds": round(seconds, 1),
        "hardware": hardware(),
        "versions": versions(packages),
        "agrees": outcome.agrees,
        "here": outcome.here,
        "n": outcome.n,
        "seeds": outcome.seeds,
        "numbers": outcome.numbers,
    }


def measure(claim: Claim, reduced: bool, out: Path) -> None:
    """Measures one claim and writes its file."""
    start = time.perf_counter()
    outcome = claim.measure(reduced)
    record = record_of(claim, outcome, reduced, time.perf_counter() - start)
    text = json.dumps(record, indent=1, allow_nan=False)
    (out / f"{claim.letter}.json").write_text(text + "\n", "utf-8")


def measured_in(out: Path) -> list[Measured]:
    """The claims whose files are in a folder, with what follows from their numbers."""
    rows = []
    for letter, claim in claims().items():
        file = out / f"{letter}.json"
        if file.is_file():
            record = json.loads(file.read_text("utf-8"))
            rows.append(Measured(claim, claim.read(record["numbers"]), record))
    return rows


def write_page(out: Path) -> Path:
    """Pictures and page of all claims whose files are in a folder."""
    rows = measured_in(out)
    for claim, outcome, _ in rows:
        if outcome.chart:
            picture = vl_convert.vegalite_to_svg({"config": LOOKS, **outcome.chart})
            (out / f"{claim.letter}.svg").write_text(picture, "utf-8")
    page = out.with_suffix(".md")
    page.write_text(page_of(rows), "utf-8")
    return page


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    every = claims()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("letters", nargs="*", metavar="LETTER", help="by default all")
    parser.add_argument("--reduced", action="store_true", help="a few seconds for each claim")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page only")
    parser.add_argument("--out", type=Path, default=Path("docs/claims"), help="folder of results")
    options = parser.parse_args(arguments)
    if unknown := set(options.letters) - set(every):
        parser.error(f"letters must be among {' '.join(every)}. Received: {' '.join(unknown)}")
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for letter in [] if options.page else options.letters or list(every):
        measure(every[letter], options.reduced, options.out)
    print(write_page(options.out))


if __name__ == "__main__":
    main(sys.argv[1:])
