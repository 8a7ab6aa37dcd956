"""Versions of packages, installed or not."""

import numpy as np

from keraskip.versions import is_installed, versions


def test_packages_that_are_not_installed_are_left_out():
    assert versions(["numpy", "no-such-package"]) == {"numpy": np.__version__}


def test_a_folder_of_its_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "no_such_package").mkdir()
    (tmp_path / "such_a_package").mkdir()
    (tmp_path / "such_a_package" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = [is_installed(name) for name in ("numpy", "such_a_package", "no_such_package")]
    assert found == [True, True, False]
