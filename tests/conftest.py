"""What every test needs before it starts."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import pytest


@pytest.fixture(autouse=True)
def seed():
    """The same random numbers for every test."""
    import keras

    keras.utils.set_random_seed(0)
