"""`add_skips`: the twin is the network with the skips that a person would draw."""

from itertools import product

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers
from members import quick
from skip_networks import DRAWN, around, conv, dense

import keraskip
from keraskip import add_skips

RANDOM = np.random.default_rng(0)


def values(model):
    """The weights by path."""
    return {
        weight.path: keras.ops.convert_to_numpy(weight).astype("float32")
        for weight in model.weights
    }


def batch_for(model):
    """Random inputs of a model; sizes left open are 7."""
    arrays = []
    for tensor in model.inputs:
        shape = (4, *(size or 7 for size in tensor.shape[1:]))
        is_token = tensor.dtype == "int32"
        drawn = RANDOM.integers(0, 9, shape) if is_token else RANDOM.normal(size=shape)
        arrays.append(drawn.astype(tensor.dtype))
    return arrays if len(arrays) > 1 else arrays[0]


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False)).astype("float32")


def adds(model):
    return [layer for layer in model.layers if isinstance(layer, layers.Add)]


def one_step(model, x):
    """Trains one step; returns the paths of the kernels that it changed, in order."""
    # A loss scale begins with steps that are skipped.
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True, auto_scale_loss=False)
    before = values(model)
    model.train_on_batch(x, np.ones_like(outputs(model, x)))
    after = values(model)
    return [path for path in before if not np.array_equal(before[path], after[path])]


QUICK = (
    "mlp", "conv2d", "nested", "shared_layers", "two_inputs", "lstm_stack", "transformer",
    "mixed_precision", "pre_activation", "residual_below",
)  # fmt: skip


@pytest.mark.parametrize("name", quick(QUICK, DRAWN))
def test_the_twin_is_the_network_drawn_by_hand(name, tmp_path):
    network = DRAWN[name]
    plain, by_hand = network.plain(), network.by_hand()
    twin = add_skips(plain, verbose=False, **network.options)
    was, now = values(plain), values(twin)
    assert list(now) == list(was)
    assert all(np.array_equal(now[path], was[path]) for path in was)
    assert not {id(weight) for weight in twin.weights} & {id(weight) for weight in plain.weights}
    for weight in by_hand.weights:
        weight.assign(was[weight.path])
    x = batch_for(plain)
    given = outputs(twin, x)
    np.testing.assert_allclose(given, outputs(by_hand, x), rtol=1e-6, atol=1e-6)
    assert not np.allclose(given, outputs(plain, x), atol=1e-4)
    twin.save(tmp_path / "twin.keras")
    again = keras.models.load_model(tmp_path / "twin.keras")
    assert np.array_equal(outputs(again, x), given)
    assert next(path for path in was if path.endswith("kernel")) in one_step(twin, x)


ZOO = list(product(["v1", "preact"], ["A", "B"], ["basic", "bottleneck"]))


@pytest.mark.parametrize("network", quick([ZOO[0], ("preact", "A", "bottleneck")], ZOO), ids=str)
def test_the_plain_networks_of_the_zoo_become_their_residual_twins(network):
    variant, shortcut, block = network
    every = {"basic": 2, "bottleneck": 3}[block]
    options = {
        "input_shape": (8, 8, 1), "stage_blocks": (2, 2), "filters": (4, 8), "block": block,
        "classifier_activation": None,
    }  # fmt: skip
    plain = keraskip.build_plain(variant=variant, **options)
    for weight in plain.weights:
        is_signed = weight.path.endswith(("kernel", "beta", "moving_mean"))
        size = weight.shape
        weight.assign(RANDOM.normal(size=size) if is_signed else RANDOM.uniform(0.5, 1.5, size))
    residual = keraskip.build_resnet(variant=variant, shortcut=shortcut, **options)
    twin = add_skips(plain, every, project=shortcut, preact=variant == "preact", verbose=False)

    def sorted_weights(model):
        projected = [weight for weight in model.weights if "shortcut" in weight.path]
        return [each for each in model.weights if "shortcut" not in each.path] + projected

    for to, weight in zip(sorted_weights(residual), sorted_weights(twin), strict=True):
        to.assign(weight.value)
    x = batch_for(plain)
    assert np.array_equal(outputs(twin, x), outputs(residual, x))
    if shortcut == "A":
        assert list(values(twin)) == list(values(plain)) == list(values(residual))


def test_a_learned_scalar_starts_at_zero_and_learns():
    x = keras.Input((None, None, 4))
    y = layers.GlobalAveragePooling2D()(conv()(conv()(x)))
    twin = add_skips(keras.Model(x, dense(2)(y)), scale="learned", verbose=False)
    assert {layer.__module__.split(".")[0] for layer in twin.layers} == {"keras"}
    images = batch_for(twin)
    inner = keras.Model(twin.input, adds(twin)[0].output)
    assert np.array_equal(outputs(inner, images), images)
    scalar = next(path for path in values(twin) if path.endswith("_scale/kernel"))
    assert values(twin)[scalar] == 0
    first = next(iter(values(twin)))
    changed = one_step(twin, images)
    # The branch gets a gradient as soon as the scalar has left 0.
    assert scalar in changed
    assert first not in changed
    assert first in one_step(twin, images)


def test_concatenation_widens_the_next_layers():
    x = inputs = keras.Input((8,))
    for _ in range(2):
        x = dense(4)(layers.BatchNormalization()(dense(6)(x)))
    plain = keras.Model(inputs, dense(2)(layers.Dropout(0.5)(x)))
    twin = add_skips(plain, how="concatenate", verbose=False)
    was, now = values(plain), values(twin)
    shapes = [now[path].shape for path in now if path.endswith("kernel")]
    assert shapes == [(8, 6), (6, 4), (12, 6), (6, 4), (16, 2)]
    assert list(was) == list(now)
    for path, value in was.items():
        kept = tuple(slice(-size, None) for size in value.shape)
        assert np.array_equal(now[path][kept], value)
    widened = now[[path for path in now if path.endswith("kernel")][-1]]
    assert np.abs(widened[:12]).min() > 0
    joined = keras.Model(twin.input, [each.output for each in twin.layers if "concat" in each.name])
    x = batch_for(twin)
    assert np.array_equal(keras.ops.convert_to_numpy(joined(x)[1])[:, :8], x)


# Width, activation, and whether normalisation and ReLU follow.
BLOCKS = st.tuples(
    st.sampled_from([3, 4]), st.sampled_from(["tanh", "relu", None]), st.booleans(), st.booleans()
)


def sequential(width, blocks):
    """A Sequential model of these blocks, with an output behind them."""
    stack = [keras.Input((width,))]
    for units, activation, is_normalized, is_rectified in blocks:
        stack.append(layers.Dense(units, activation))
        stack += [layers.LayerNormalization()] if is_normalized else []
        stack += [layers.ReLU()] if is_rectified else []
    return keras.Sequential([*stack, layers.Dense(2)])


def most_skips(widths, every):
    """The largest number of stretches that do not overlap, by trying."""
    best = [0] * len(widths)
    for end in range(1, len(widths)):
        best[end] = best[end - 1]
        if end >= every and widths[end - every] == widths[end]:
            best[end] = max(best[end], best[end - every] + 1)
    return best[-1]


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(BLOCKS, min_size=2, max_size=7), st.integers(1, 3), st.booleans())
def test_without_its_branches_the_twin_is_the_identity(blocks, every, preact):
    model = sequential(3, blocks)
    number = most_skips([3, *(units for units, *_ in blocks)], every)
    options = {"every": every, "preact": preact, "scale": 0.0, "verbose": False}
    if not number:
        with pytest.raises(ValueError, match=f"every={every}"):
            add_skips(model, **options)
        return
    twin = add_skips(model, **options)
    assert len(adds(twin)) == number
    ends = []
    for layer in adds(twin):
        behind = layer._outbound_nodes[0].operation
        moved = isinstance(behind, layers.ReLU) and not preact
        ends += [layer.input[0], behind.output if moved else layer.output]
    found = keras.Model(twin.input, ends)(batch_for(model), training=False)
    found = [keras.ops.convert_to_numpy(each) for each in found]
    for start, end in zip(found[::2], found[1::2], strict=True):
        assert np.array_equal(start, end)


def mlp(count=5, **options):
    return keras.Sequential(
        [keras.Input((8,)), *(dense() for _ in range(count)), dense(2)], **options
    )


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, x):
        return x


def test_the_table_names_each_stretch_and_why_it_has_no_skip(capsys):
    model = mlp(name="mine")
    add_skips(model)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Skips in 'mine': 2"
    rows = [line.split() for line in lines[4:]]
    names = [layer.name for layer in model.layers]
    assert rows[0][:2] == [names[0], names[0]]
    assert " ".join(rows[0][4:]) == "none: too few layers in a row"
    assert rows[1] == [names[1], names[2], "8", "8", "identity"]
    assert rows[2] == [names[3], names[4], "8", "8", "identity"]
    assert " ".join(rows[3][2:]) == "8 2 none: makes the output"


def bottleneck():
    x = keras.Input((6, 6, 4))
    branch = around(x, conv(), conv(), conv())
    return keras.Model(x, dense(2)(layers.Flatten()(branch)))


# fmt: off
BAD = (
    # model                         arguments                     message
    (mlp,                           {"every": 0},                 r"at least 1.*every=0"),
    (mlp,                           {"every": 9},                 r"every=9.*5 too few.*1 makes"),
    (mlp,                           {"how": "ad"},                r"'add'.*how='ad'"),
    (mlp,                           {"how": "concat"},            r"nearest: concatenate"),
    (mlp,                           {"scale": "lerned"},          r"scale='lerned'.*learned"),
    (mlp,                           {"scale": float("nan")},      r"scale must be finite"),
    (mlp,                           {"project": "C"},             r"project='C'"),
    (mlp,                           {"layers": "("},              r"regular expression.*'\('"),
    (mlp,                           {"layers": "conv"},           r"5 left out by `layers`"),
    (mlp,                           {"how": "concatenate", "scale": 0.1}, r"how='add'.*scale=0.1"),
    (mlp,                           {"verbose": 2},               r"verbose must be True or False"),
    (Subclassed,                    {},                           r"no graph.*model.call"),
    (lambda: keras.Sequential([dense()]), {},                     r"model.build\(shape\)"),
    (lambda: keras.Sequential([keras.Input((8,)), layers.ReLU()]), {}, r"it has none"),
    (lambda: keras.Sequential([keras.Input((8,)), dense(7), dense(6), dense(5)]), {},
                                                                  r"2 the shape changes"),
    (lambda: keraskip.build_resnet(8, input_shape=(8, 8, 1)), {}, r"6 a way leads around it alre"),
    (bottleneck,                    {},                           r"3 a way leads around it alre"),
    (lambda: add_skips(mlp(4), verbose=False), {},                r"4 a way leads around it"),
    (lambda: keras.Sequential([keras.Input((6, 6, 4)), conv(), conv(), layers.Flatten(), dense()]),
     {"how": "concatenate"},                                      r"cannot be made wider"),
)
# fmt: on


@pytest.mark.parametrize(("make", "options", "message"), BAD)
def test_one_sentence_says_why_nothing_is_done(make, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        add_skips(make(), **options)


@pytest.mark.parametrize("scale", quick([None, "learned"], [None, 0.5, "learned"]))
def test_the_mask_of_a_sequence_reaches_the_layers_of_the_twin(scale):
    x = keras.Input((None,), dtype="int32")
    y = layers.Embedding(9, 4, mask_zero=True)(x)
    for _ in range(2):
        y = layers.LSTM(4, return_sequences=True)(y)
    twin = add_skips(keras.Model(x, layers.LSTM(4)(y)), scale=scale, verbose=False)
    for weight in twin.weights:
        if weight.path.endswith("_scale/kernel"):
            weight.assign(np.ones(1))
    padded = outputs(twin, np.array([[1, 2, 0, 0]], "int32"))
    np.testing.assert_allclose(padded, outputs(twin, np.array([[1, 2]], "int32")), atol=1e-6)


@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_quantized_layers_get_a_skip_that_is_not(mode):
    """Keras adds and scales in floating point only; float8 makes variables in another order."""
    x = keras.Input((8,))
    first, second, last = dense(), dense(), dense(2)
    model = keras.Model(x, last(second(first(x))))
    first.quantize(mode)
    second.quantize(mode)
    twin = add_skips(model, scale=0.5, verbose=False)
    batch = keras.ops.convert_to_tensor(batch_for(model))
    by_hand = keras.ops.convert_to_numpy(last(batch + 0.5 * second(first(batch))))
    np.testing.assert_allclose(outputs(twin, batch), by_hand, atol=1e-6)


def test_the_twin_is_compiled_like_the_model_with_a_new_optimizer():
    model = mlp()
    assert not add_skips(model, verbose=False).compiled
    optimizer = keras.optimizers.Adam(0.03)
    metrics = ["mae", keras.metrics.RootMeanSquaredError(name="rmse")]
    # A function that Keras could not find by its name.
    model.compile(optimizer, lambda y, given: (y - given) ** 2, metrics=metrics, run_eagerly=True)
    model.train_on_batch(np.ones((4, 8)), np.ones((4, 2)))
    twin = add_skips(model, verbose=False)
    assert isinstance(twin.optimizer, keras.optimizers.Adam)
    assert float(twin.optimizer.learning_rate) == pytest.approx(0.03)
    assert twin.optimizer is not optimizer
    assert not twin.optimizer.built
    assert twin.run_eagerly
    logs = twin.train_on_batch(np.ones((4, 8)), np.ones((4, 2)), return_dict=True)
    assert set(logs) == {"loss", "mae", "rmse"}


class Counted(keras.Model):
    """A model whose training step is its own."""

    def train_step(self, *_):
        return {"loss": 7.0}


def test_a_model_with_a_training_step_of_its_own_keeps_it():
    x = keras.Input((8,))
    model = Counted(x, dense(2)(dense()(dense()(x))))
    assert type(add_skips(model, verbose=False)) is type(model)


class CountedInARow(keras.Sequential):
    """The same as a sequence."""

    train_step = Counted.train_step


class CountedByWidth(keras.Model):
    """The same, made of other arguments than Keras' models."""

    def __init__(self, width=8, name=None):
        x = keras.Input((width,))
        super().__init__(x, dense(2)(dense()(dense()(x))), name=name)

    train_step = Counted.train_step


class Named(keras.Sequential):
    """A sequence that trains and answers like any other."""

    def title(self):
        return self.name


def test_a_training_step_that_a_twin_cannot_keep_is_refused():
    stack = [keras.Input((8,)), dense(), dense(), dense(2)]
    for model in (CountedInARow(stack), CountedByWidth()):
        with pytest.raises(ValueError, match=rf"{type(model).__name__}, with its own train_step"):
            add_skips(model, verbose=False)
    assert "title" not in dir(add_skips(Named(stack), verbose=False))


def test_a_sequence_of_another_class_without_a_skip_inside_stays_of_it():
    x = keras.Input((8,))
    inside = CountedInARow([keras.Input((8,)), dense(3)], name="inside")
    twin = add_skips(keras.Model(x, inside(dense()(dense()(x)))), verbose=False)
    assert type(twin.get_layer("inside")) is CountedInARow


class OwnLayers(keras.Sequential):
    """A sequence that makes layers of its own, whatever it is given."""

    def __init__(self, layers=None, name=None):
        super().__init__([keras.Input((8,)), dense(3)], name=name)


def test_a_sequence_that_makes_its_own_layers_keeps_its_weights():
    x = keras.Input((8,))
    model = keras.Model(x, OwnLayers(name="inside")(dense()(dense()(x))))
    twin = add_skips(model, verbose=False)
    for ours, theirs in zip(twin.variables, model.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=theirs.path)


def test_frozen_layers_random_states_and_saved_weights_fit_the_twin(tmp_path):
    model = mlp(2)
    model.add(layers.Dropout(0.5))
    model.layers[0].trainable = False
    keras.utils.set_random_seed(3)
    twin = add_skips(model, layers="dense", verbose=False, every=1)
    assert [each.path for each in twin.trainable_weights] == [
        each.path for each in model.trainable_weights
    ]
    x = np.ones((64, 2), "float32")
    masks = [
        keras.ops.convert_to_numpy(each.layers[-1](x, training=True)) for each in (twin, model)
    ]
    # On PyTorch dropout draws from the one generator of the process, not from a seed of the layer.
    assert np.array_equal(*masks) or keras.backend.backend() == "torch"
    for weight in model.weights:
        weight.assign(RANDOM.normal(size=weight.shape))
    model.save_weights(tmp_path / "own.weights.h5")
    twin.load_weights(tmp_path / "own.weights.h5")
    assert all(np.array_equal(*pair) for pair in zip(values(twin).values(), values(model).values(),
                                                     strict=True))  # fmt: skip


def test_a_twin_is_exported(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the artefact is TensorFlow's")
    x = keras.Input((6, 6, 4))
    model = keras.Model(x, dense(2)(layers.GlobalAveragePooling2D()(conv()(conv()(x)))))
    twin = add_skips(model, scale="learned", verbose=False)
    twin.get_layer(adds(twin)[0].name.replace("add", "scale")).set_weights([np.ones(1)])
    keraskip.export_savedmodel(twin, tmp_path / "twin")
    images = batch_for(twin)
    (given,) = keraskip.Artefact(tmp_path / "twin")(images).values()
    np.testing.assert_allclose(given, outputs(twin, images), atol=1e-5)
