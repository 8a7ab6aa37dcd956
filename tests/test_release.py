"""What a release says of itself: complete, the same in each file, and all of it packed."""

import configparser
import datetime
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import keraskip

ROOT = Path(__file__).parents[1]
PACKAGE = Path(keraskip.__file__).parent
CITATION = (ROOT / "CITATION.cff").read_text("utf-8")
RELEASE = re.compile(r"## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)")


@pytest.fixture(scope="module")
def setup():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    return setup


def lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


def cited(key):
    """The value of a key at the top of the citation file."""
    return re.search(rf"^{key}: (.+)$", CITATION, re.M)[1]


def test_the_version_and_its_date_are_the_same_everywhere():
    headings = re.findall(r"^## .*", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    version, date = RELEASE.fullmatch(headings[0]).groups()
    assert version == keraskip.__version__ == cited("version")
    assert date == cited("date-released") == datetime.date.fromisoformat(date).isoformat()


def test_the_metadata_are_complete(setup):
    metadata = setup["metadata"]
    assert metadata["license_expression"] == cited("license") == "Apache-2.0"
    assert metadata["author"] in CITATION
    assert metadata["description"] in CITATION
    for file in [metadata["long_description"].removeprefix("file: "), "CHANGELOG.md"]:
        assert (ROOT / file).stat().st_size > 1_000
    kinds = {line.split(" :: ")[0] for line in lines(metadata["classifiers"])}
    assert kinds >= {"Development Status", "Intended Audience", "Programming Language", "Topic"}
    assert "keras" in metadata["keywords"].split(", ")
    python = setup["options"]["python_requires"].removeprefix(">=")
    assert f"Programming Language :: Python :: {python}" in metadata["classifiers"]


def test_each_file_that_is_no_code_has_a_licence_and_is_packed(setup):
    """Those of others, or trained on their data, are named in NOTICE."""
    named = lines(setup["metadata"]["license_files"])
    assert named == ["LICENSE", "NOTICE"]
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
    notice = (ROOT / "NOTICE").read_text("utf-8")
    assert set(re.findall(r"keraskip/[\w/*.]+", notice)) == {
        "keraskip/models/weights/fashion_mnist/*.npz",
        "keraskip/models/imagenet_classes.txt",
    }
    patterns = lines(setup["options.package_data"]["keraskip"])
    packed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}
    assert all(any(PACKAGE.glob(pattern)) for pattern in patterns)
    there = {path for path in PACKAGE.rglob("*.*") if path.suffix not in (".py", ".pyc")}
    assert {path for path in there if path.is_file()} <= packed


def test_what_installs_an_extra_is_said_right(setup):
    """Each extra that an error or a docstring names exists, and each one is named."""
    told = {
        name
        for file in PACKAGE.rglob("*.py")
        for name in re.findall(r"pip install 'keraskip\[(\w+)\]'", file.read_text("utf-8"))
    }
    # The recorder has the three trackers in one line of its own.
    told |= {"tensorboard", "mlflow"}
    assert told == {*setup["options.extras_require"]} - {"test", "docs"}


@pytest.mark.slow
def test_a_wheel_holds_all_files_of_the_package(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source / "keraskip", ignore=shutil.ignore_patterns("__pycache__"))
    for name in "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE":
        shutil.copy(ROOT / name, source)
    wheel = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*wheel, "-w", tmp_path, source], check=True)
    (packed,) = tmp_path.glob(f"keraskip-{keraskip.__version__}-*.whl")
    shutil.unpack_archive(packed, tmp_path / "site", "zip")
    ours, theirs = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
        for folder in (source / "keraskip", tmp_path / "site" / "keraskip")
    )
    assert ours == theirs
    (info,) = (tmp_path / "site").glob("*.dist-info")
    assert {path.name for path in info.rglob("*") if path.is_file()} >= {"LICENSE", "NOTICE"}
