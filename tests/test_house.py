"""The map in CONTRIBUTING.md is true: who may import whom, and that no import runs in a circle."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import keraskip

PACKAGE = Path(keraskip.__file__).parent
MAP = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text("utf-8")
FILES = sorted(PACKAGE.rglob("*.py"))


def table(heading):
    """The rows of a table of the map: a name, and the names that it may import."""
    after = MAP.split(f"| {heading} | holds | may import |\n|---|---|---|\n")[1]
    rows = [line.split("|") for line in after.split("\n\n")[0].splitlines()]
    return {row[1].strip(" `"): set(re.findall(r"\w+", row[3])) for row in rows}


ROOMS, FLOORS, STOREYS = table("room"), table("floor"), table("storey")


def module_of(file):
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def imports_of(file):
    """The modules of this package that a file imports, inside of functions and for types, too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in inside]
        else:
            continue
        yield from (name for name in names if name and name.split(".")[0] == "keraskip")


def parts_imported(file, start):
    """The part of the name after `start` of all modules that a file imports."""
    names = [name for name in imports_of(file) if name.startswith(f"{start}.")]
    return {name.removeprefix(f"{start}.").split(".")[0] for name in names}


@pytest.mark.parametrize("file", [f for f in FILES if f.parent != PACKAGE], ids=module_of)
def test_a_room_imports_what_the_map_allows(file):
    room = module_of(file).split(".")[1]
    assert parts_imported(file, "keraskip") - {room} <= ROOMS[room]


@pytest.mark.parametrize(
    "room", ["checks", "versions", "tables", "machine", "files", "images", "__main__"]
)
def test_a_room_of_one_file_imports_what_the_map_allows(room):
    assert parts_imported(PACKAGE / f"{room}.py", "keraskip") <= ROOMS[room]


INSIDE = [
    pytest.param(file, room, floors, id=module_of(file))
    for room, floors in (("callbacks", FLOORS), ("export", STOREYS))
    for file in sorted((PACKAGE / room).rglob("*.py"))
]


@pytest.mark.parametrize(("file", "room", "floors"), INSIDE)
def test_a_floor_imports_what_the_map_allows(file, room, floors):
    _, _, *below = module_of(file).split(".")
    floor = below[0] if below else None
    allowed = floors[floor] if floor else set()
    assert parts_imported(file, f"keraskip.{room}") - {floor} <= allowed


@pytest.mark.parametrize(
    ("rooms", "folder"),
    [(ROOMS, PACKAGE), (FLOORS, PACKAGE / "callbacks"), (STOREYS, PACKAGE / "export")],
    ids=["rooms", "floors", "storeys"],
)
def test_the_map_shows_all_that_is_there(rooms, folder):
    there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(rooms) == there - {"__init__", "__pycache__"}


def test_no_import_runs_in_a_circle():
    # The package itself lists public names, and imports them on demand.
    graph = {name: set(imports_of(file)) for name, file in MODULES.items() if name != "keraskip"}
    order = list(TopologicalSorter(graph).static_order())
    assert set(order) >= set(graph)


def test_the_files_that_the_map_names_exist():
    named = re.findall(r"`([\w/]+\.py)`", MAP)
    assert len(named) > 15
    for name in named:
        paths = [PACKAGE.parent / name, PACKAGE / name, PACKAGE / "callbacks" / name]
        assert any(path.is_file() for path in paths), name


def test_the_names_that_the_map_places_are_there():
    """Such as "`RULES` of `analysis/verdicts.py`"."""
    pairs = re.findall(r"`([\w.]+)`(?: \(\w+\))?,? (?:of|in) `([\w/]+\.py)`", MAP)
    assert len(pairs) > 8
    for name, file in pairs:
        path = next(p for p in (PACKAGE / file, PACKAGE.parent / file) if p.is_file())
        last = name.split(".")[-1]
        assert re.search(rf"\b(def|class) {last}\b|^{last}\b", path.read_text("utf-8"), re.M), name
