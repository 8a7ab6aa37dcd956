"""Commands that the pages print are ones that exist: names, options, files and extras.

Those in scripts below `docs/` are run by the build of the site; here are all of them, also the
ones that take a cluster, GPUs or days.
"""

import configparser
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from keraskip.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(p for p in sorted((ROOT / "docs").rglob("*.md")) if "made" not in p.parts),
]
SHELL = re.compile(r"^ *```(?:sh)?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:keraskip|pip install|python) [^`]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)")
KERASKIP = get_command(app)


def commands_of(page):
    """The commands in blocks, line by line, and those within sentences."""
    text = page.read_text("utf-8")
    blocks = "\n".join(SHELL.findall(text)).replace("\\\n", " ")
    lines = [*blocks.splitlines(), *(" ".join(each.split()) for each in INLINE.findall(text))]
    found = [part.strip() for line in lines for part in line.split(" && ")]
    return [re.sub(r"^(?:[A-Z_]+=\S+ )+", "", command) for command in found]


def printed(program):
    """All commands of a program, with the name of their page."""
    return [
        pytest.param(shlex.split(command, comments=True)[len(program.split()) :],
                     id=f"{page.relative_to(ROOT)}: {command}")
        for page in PAGES for command in dict.fromkeys(commands_of(page))
        if command.startswith(f"{program} ")
    ]  # fmt: skip


@pytest.mark.parametrize("words", printed("keraskip"))
def test_a_command_and_its_options_exist(words):
    """In a line on usage, brackets and bars hold what may be left out or chosen."""
    name, *arguments = [word.strip("[]").split("|")[0] for word in words if word != "..."]
    command = KERASKIP.commands[name]
    if arguments:  # else a sentence names the command
        command.make_context(name, arguments)


@pytest.mark.parametrize("words", printed("python"))
def test_a_script_exists(words):
    assert words[0] in ("-m", "SCRIPT") or (ROOT / words[0]).is_file()


@pytest.mark.parametrize("words", printed("pip install"))
def test_an_extra_exists(words):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    extras = re.findall(r"\w+", " ".join(re.findall(r"\[(.*?)\]", " ".join(words))))
    assert set(extras) <= set(setup["options.extras_require"])


def test_links_of_the_readme_lead_to_files():
    links = [link for link in LINK.findall(PAGES[0].read_text("utf-8")) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
