"""Versions of packages, installed or not."""

import numpy as np

from keraskip.versions import versions


def test_packages_that_are_not_installed_are_left_out():
    assert versions(["numpy", "no-such-package"]) == {"numpy": np.__version__}
