"""The site: all pages are in its menu, their code is run, and README shows what its script does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if DOCS / "made" not in page.parents)
SCRIPTS = [
    path
    for path in sorted([*DOCS.rglob("*.py"), *DOCS.rglob("*.sh")])
    if DOCS / "made" not in path.parents and path.name != "hooks.py" and path.name[0] != "_"
]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)
IN_README = ["own_network"]


def test_each_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text("utf-8").split("\nnav:")[1]
    assert [p for p in PAGES if p.relative_to(DOCS).as_posix() not in menu] == []


def test_each_script_is_shown_by_a_page():
    shown = [s.relative_to(DOCS).with_suffix("").as_posix() for s in SCRIPTS]
    assert [
        name for name in shown if not re.search(rf'"docs/(made/)?{name}[./]', TEXT)
    ] == IN_README


def test_the_code_of_pages_is_that_of_scripts():
    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert blocks
    assert [block for block in blocks if not block.startswith("--8<--")] == []


def test_each_entry_of_a_run_has_its_meaning(tmp_path):
    script = [sys.executable, DOCS / "reference" / "formats.py"]
    subprocess.run(script, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert "| `own` |" in (tmp_path / "Optimizer.md").read_text("utf-8")


def test_each_public_name_is_in_the_reference():
    names = re.findall(r"^::: keraskip\.(\w+)$", TEXT, re.MULTILINE)
    assert sorted(names) == sorted(keraskip.__all__)


def test_a_script_that_fails_ends_the_build(tmp_path):
    pytest.importorskip("mkdocs")
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "hooks.py", docs)
    (docs / "index.md").write_text("# Start\n")
    (docs / "bad.py").write_text("raise SystemExit('out of order')\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\nhooks: [docs/hooks.py]\n")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"], cwd=tmp_path, text=True, capture_output=True
    )
    assert built.returncode == 1
    assert "out of order" in built.stderr + built.stdout


def test_the_readme_shows_its_script_and_what_it_prints(tmp_path):
    """Numbers, and what goes by their width, may differ between machines."""
    readme = (ROOT / "README.md").read_text("utf-8")
    script = DOCS / "own_network.py"
    section = script.read_text("utf-8").split("[start:own]\n")[1].split("# --8<-- [end:own]")[0]
    assert f"```python\n{section}```" in readme
    printed = readme.split(section)[1].split("```")[2]
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, text=True, stdout=subprocess.PIPE, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert words_of(done.stdout) == words_of(printed)


def words_of(text):
    return re.sub(r"[\d.e+-]*\d", "0", re.sub("─+", "", text)).split()
