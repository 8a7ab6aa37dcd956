"""What `mkdocs build` does before it reads a page: it runs the scripts that the pages show.

Each `.py` and `.sh` file below `docs/` is run in a folder of its own below `docs/made/`, unless its
name begins with `_`: these are imported by others. In the folder lie its output, `output.txt`, and
the pictures it writes. Pages show parts of the script and of these files, so they show what the
code does today. A script that fails ends the build.
"""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
MADE = DOCS / "made"
RUNNERS = {".py": [sys.executable], ".sh": ["bash", "-euo", "pipefail"]}
SNIPPET = re.compile(r'^ *--8<-- "docs/(\S+\.py)', re.MULTILINE)
PROMPT = re.compile(r"^(>>> .*(?:\n.+)*)", re.MULTILINE)
# TensorFlow tells of its machine, on a stream that nobody can turn off.
NOISE = re.compile(r"^(?:WARNING: All log messages before absl|[IWE]\d{4} ).*\n", re.MULTILINE)
# Warnings name the file they come from, which lies elsewhere for each reader.
HERE = re.compile(rf"{re.escape(str(DOCS.parent))}/|/\S*/(?=site-packages/)")
# The command `keraskip` is that of the environment which builds, as are `python` and `pip`.
ENVIRONMENT = os.environ | {
    "COLUMNS": "100",
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def on_pre_build(config: MkDocsConfig) -> None:
    """Runs the scripts of all pages that are older than the package or have not run yet."""
    scripts = [
        path
        for path in sorted(DOCS.rglob("*"))
        if path.suffix in RUNNERS
        and MADE not in path.parents
        and path != Path(__file__)
        and not path.name.startswith("_")
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for failure in pool.map(run, [path for path in scripts if not is_made(path)]):
            if failure:
                raise PluginError(failure)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Offers the Python scripts that a page shows for download."""
    folder = Path(page.file.src_uri).parent
    links = [
        f"[{Path(script).name}]({os.path.relpath(script, folder)}){{: download }}"
        for script in dict.fromkeys(SNIPPET.findall(markdown))
    ]
    return f"{markdown}\n\n---\n\nThe whole code: {', '.join(links)}\n" if links else markdown


class Examples(griffe.Extension):
    """Sets the examples of docstrings off as code; `mkdocs.yml` names it."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Fences each paragraph that begins with a prompt."""
        if obj.docstring:
            text = obj.docstring.value
            obj.docstring.value = PROMPT.sub(r"```pycon\n\1\n```", text)


def folder_of(script: Path) -> Path:
    """Where a script runs: `how/see_gradients.py` in `made/how/see_gradients`."""
    return MADE / script.relative_to(DOCS).with_suffix("")


def is_made(script: Path) -> bool:
    """Whether a script has run since it and the package were changed."""
    output = folder_of(script) / "output.txt"
    sources = [script, Path(__file__), *(DOCS.parent / "keraskip").rglob("*.py")]
    return output.exists() and output.stat().st_mtime > max(s.stat().st_mtime for s in sources)


def run(script: Path) -> str:
    """Runs a script; returns nothing, or what went wrong."""
    folder = folder_of(script)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"INFO    -  Running {script.relative_to(DOCS)}", flush=True)
    done = subprocess.run(
        [*RUNNERS[script.suffix], script],
        cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        return f"{script.relative_to(DOCS)} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    (folder / "output.txt").write_text(done.stdout, "utf-8")
    for text in folder.glob("*.txt"):
        text.write_text(HERE.sub("", NOISE.sub("", text.read_text("utf-8"))), "utf-8")
    return ""
