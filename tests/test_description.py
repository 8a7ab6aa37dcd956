"""Published facts beside the facts of the built model."""

import keras
import pytest

from keraskip import describe


def test_a_network_of_the_zoo():
    described = describe("resnet20")
    assert described.published.errors == {"CIFAR-10+": 8.75}
    assert described.built == {
        "input_shape": (32, 32, 3),
        "depth": 20,
        "trainable": 269_722,
        "parameters": 271_098,
        "macs": 40_551_040,
        "activation_bytes": described.built["activation_bytes"],
    }
    # The stem's three maps alone: 32 x 32 x 16 numbers of 4 bytes.
    assert described.built["activation_bytes"] > 3 * 32 * 32 * 16 * 4


@pytest.mark.parametrize(
    ("name", "depth", "error", "arguments"),
    [
        ("resnet20", "20", "8.75", "depth=20"),
        pytest.param(
            "preact_resnet110",
            "110",
            "6.37",
            "depth=110, variant='preact', block='basic'",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_printed(name, depth, error, arguments):
    lines = str(describe(name)).splitlines()
    cells = {line.split("  ")[0].strip(): line for line in lines}
    assert cells["depth"].split() == ["depth", depth, depth]
    assert cells["error on CIFAR-10+"].split()[-3:] == [error, "%", "–"]
    assert f"built by   keraskip.build_resnet({arguments})" in lines
    assert max(map(len, lines)) <= 100


def test_of_a_model_nothing_is_published():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="mine")
    described = describe(model)
    assert described.published is None
    assert described.built["macs"] == 6
    assert str(described).startswith("mine")
    assert "source" not in str(described)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="nearest: resnet56"):
        describe("resnet57")


def test_exact_parameters_are_printed_in_full():
    (row,) = (line for line in str(describe("resnet18")).splitlines() if "trainable" in line)
    assert row.split() == ["trainable", "of", "them", "11,689,512", "11,689,512"]


@pytest.mark.slow  # seconds of building a ResNet-50
def test_totals_of_keras_stand_beside_the_total():
    (row,) = (
        line for line in str(describe("resnet50")).splitlines() if line.startswith("parameters")
    )
    assert row.split() == ["parameters", "25,636,712", "25,636,712"]


def test_several_inputs():
    inputs = [keras.Input((3,)), keras.Input((4,))]
    outputs = keras.layers.Concatenate()([keras.layers.Dense(2)(x) for x in inputs])
    assert describe(keras.Model(inputs, outputs)).built["input_shape"] == ((3,), (4,))
