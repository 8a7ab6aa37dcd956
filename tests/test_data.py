"""Data sets by name."""

import os
from pathlib import Path

import numpy as np
import pytest

from keraskip.data import load_data

SHARED = Path(os.environ.get("KERASKIP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def test_digits():
    digits = load_data("digits")
    assert digits.x_train.shape == (1437, 8, 8, 1)
    assert digits.x_test.shape == (360, 8, 8, 1)
    assert digits.x_train.dtype == np.float32
    assert (digits.x_train.min(), digits.x_train.max()) == (0, 1)
    assert (digits.input_shape, digits.classes) == ((8, 8, 1), 10)


def test_digits_are_split_the_same_way_each_time_and_evenly():
    first, second = load_data(), load_data()
    assert np.array_equal(first.y_test, second.y_test)
    assert np.bincount(first.y_test).min() >= 35


def test_an_unknown_name_is_refused():
    pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    with pytest.raises(ValueError, match="digitz"):
        load_data("digitz")


def test_tensorflow_datasets_reads_official_archives(tmp_path, monkeypatch):
    archives = SHARED / "fashion_mnist"
    if not archives.is_dir():
        pytest.skip(f"no Fashion-MNIST archives in {archives}")
    pytest.importorskip("tensorflow_datasets", reason="this environment has no TensorFlow")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    fashion = load_data("fashion_mnist", manual_dir=archives)
    assert fashion.x_train.shape == (60_000, 28, 28, 1)
    assert fashion.x_test.shape == (10_000, 28, 28, 1)
    assert (fashion.x_train.min(), fashion.x_train.max()) == (0, 1)
    assert np.array_equal(np.bincount(fashion.y_train), [6000] * 10)
