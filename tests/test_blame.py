"""The independent gradient of the battery blames the layer that has the fault."""

import keras
import pytest
from blame import BACKENDS, layer_to_blame
from recipes import Recipe
from trainings import compiled, prepared

pytestmark = pytest.mark.skipif(
    keras.backend.backend() not in BACKENDS, reason="it differentiates by TensorFlow or PyTorch"
)


@pytest.mark.parametrize(
    ("changes", "layer"),
    [
        ({"depth": 5, "bad_layer": (3, 1e-6)}, "hidden_3"),
        ({"family": "siamese", "task": "pairs", "depth": 4, "dead_layer": 1}, "hidden_1"),
        ({"family": "gan", "task": "points", "depth": 3, "dead_layer": 1}, "hidden_1"),
        ({"initializer": "zeros"}, "hidden_0"),
    ],
)
def test_the_layer_with_the_fault_is_blamed(changes, layer):
    keras.utils.set_random_seed(0)
    recipe = Recipe(units=8, **changes)
    assert layer_to_blame(recipe, compiled(recipe, prepared(recipe)[1])) == layer
