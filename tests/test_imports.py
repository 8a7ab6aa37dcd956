"""Who may import whom, and what stays out of memory."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

PACKAGE = Path(keraskip.__file__).parent

# The rooms of the house: a module may import the rooms on its right, a folder also its own files.
BASE = {"checks", "versions", "tables"}
EDGES = {
    "checks": set(),
    "versions": set(),
    "tables": set(),
    "graph": {"checks"},
    "models": BASE | {"graph"},
    "runs": set(),
    "callbacks": BASE | {"graph", "runs"},
    "analysis": BASE | {"runs"},
    "report": BASE | {"analysis", "runs"},
    "data": BASE,
    "export": BASE | {"graph", "models", "runs"},
    "study": BASE | {"models", "callbacks", "data", "runs"},
    "cli": BASE | {"models", "runs", "report", "data", "study", "export"},
    "__init__": {"models", "callbacks", "runs", "report", "study", "export"},
}


def room_of(file):
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported_rooms(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("keraskip."):
                yield name.split(".")[1]


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.stem)
def test_imports_point_one_way(file):
    room = room_of(file)
    assert set(imported_rooms(file)) - {room} <= EDGES[room]


def modules_after(code):
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import keraskip",
        "import keraskip.runs, keraskip.report.comparison",
        "import keraskip.study",
        "import keraskip.cli",
        "import keraskip.export.opened",
    ],
)
def test_no_framework_is_loaded(code):
    assert not modules_after(code) & {"keras", "tensorflow", "jax", "torch"}


def test_every_public_name_is_there():
    for name in keraskip.__all__:
        assert getattr(keraskip, name).__doc__
    assert set(keraskip.__all__) <= set(dir(keraskip))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="build_vgg"):
        _ = keraskip.build_vgg
