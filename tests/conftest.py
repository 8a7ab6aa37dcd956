"""What every test needs before it starts."""

import gc
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import pytest

# What the imports left, a million objects, is looked through no more; it took seconds each time.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)


@pytest.fixture(autouse=True)
def seed():
    """The same random numbers for every test."""
    keras.utils.set_random_seed(0)
