"""What the recorder is asked to keep, and what it says when numbers stop being finite."""

import pickle

import keras
import numpy as np
import pytest
from keras import layers, ops
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import load_run

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(80, 6)).astype("float32")
LABELS = RANDOM.integers(0, 3, 80)
FEW = IMAGES[:24]  # three steps


@ops.custom_gradient
def without_gradient(x):
    def gradient(*args, upstream=None):
        return (args[0] if upstream is None else upstream) * float("nan")

    return x, gradient


class NotANumber(layers.Layer):
    """Passes its input on, but no gradient back."""

    def call(self, x):
        return without_gradient(x)


def network(*between, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, "tanh", name="first"),
            *between,
            layers.Dense(8, "tanh", name="second"),
            layers.Dense(3, "softmax", name="last"),
        ],
        name="network",
    )
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(optimizer, "sparse_categorical_crossentropy", **options)
    return model


def fit(model, *callbacks, images=IMAGES, **options):
    options = {"batch_size": 8, "shuffle": False, "verbose": 0, **options}
    labels = LABELS[: len(images)]
    return model.fit(images, labels, callbacks=list(callbacks), **options).history


def recorded(folder, *, images=IMAGES, options=None, epochs=1, **arguments):
    model = network(**options or {})
    fit(model, GradientRecorder(folder, **arguments), images=images, epochs=epochs)
    return load_run(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The record of every step and weight of two epochs, and the history that Keras keeps."""
    folder = tmp_path_factory.mktemp("whole")
    history = fit(network(), GradientRecorder(folder), epochs=2)
    return load_run(folder), history


@pytest.fixture(scope="module")
def whole(trained):
    return trained[0]


# Which steps


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (3, [0, 3, 6, 9, 12, 15, 18]),
        pytest.param(
            lambda step: step & 8, [*range(8, 16)], marks=pytest.mark.slow
        ),  # any value that is true or false
        pytest.param(100, [0], marks=pytest.mark.slow),
    ],
    ids=["number", "function", "larger than the run"],
)
def test_steps_that_are_due(tmp_path, whole, every, expected):
    some = recorded(tmp_path, epochs=2, every=every)
    assert some.steps.tolist() == expected
    for name, values in some.statistics.items():
        np.testing.assert_allclose(values, whole.statistics[name][expected], rtol=1e-4, atol=1e-7)
    assert some.epochs["steps"].iloc[-1] == len(expected)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no steps_per_execution on torch")
def test_steps_that_are_due_inside_an_execution(tmp_path, whole):
    # Ten steps in executions of four: the last of each epoch has two.
    run = recorded(tmp_path, epochs=2, every=5, options={"steps_per_execution": 4})
    assert run.steps.tolist() == [0, 5, 10, 15]
    np.testing.assert_allclose(run.grad_norm, whole.grad_norm[::5], rtol=1e-4)


def test_a_second_fit_keeps_the_rhythm(tmp_path):
    model, recorder = network(**UNCOMPILED), GradientRecorder(tmp_path, every=2)
    fit(model, recorder, images=FEW)
    fit(model, recorder, images=FEW)
    assert load_run(tmp_path).steps.tolist() == [0, 2, 4]


def test_steps_that_are_not_due_are_not_measured(tmp_path, monkeypatch):
    from keraskip.callbacks.step.measurement import Measurement

    measured = []
    monkeypatch.setattr(Measurement, "before", lambda *tensors: measured.append(1))
    options = {"every": lambda step: False, "options": {"run_eagerly": True}}
    assert recorded(tmp_path, images=FEW, **options).steps.tolist() == []
    assert not measured


# The first step


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the other backends do not trace a step twice")
@pytest.mark.parametrize("built", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_step_is_traced_once(tmp_path, built):
    """Keras makes the variables of metrics and optimizer in the trace, and has to trace anew."""
    traces = []

    class Counted(layers.Dropout):
        def call(self, x, training=False):
            traces.extend([1] * training)
            return super().call(x, training=training)

    model = keras.Sequential([layers.Dense(8, "tanh"), Counted(0.5), layers.Dense(3, "softmax")])
    if built:
        model.build((None, 6))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    fit(model, GradientRecorder(tmp_path))
    assert len(traces) == 1
    assert len(load_run(tmp_path).steps) == 10


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the other backends call it in any case")
def test_a_model_that_takes_no_symbolic_input_is_recorded(tmp_path):
    """The variables of its metrics are made in its first step, as without a recorder."""

    class Picky(keras.Sequential):
        def call(self, x, training=None, mask=None):
            if not training:
                raise TypeError("this model is called to be trained only")
            return super().call(x, training=training)

    model = Picky(network().layers)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = fit(model, GradientRecorder(tmp_path))
    assert history["accuracy"]
    assert np.isfinite(load_run(tmp_path).grad_norm).all()


# So Keras ends an epoch whose length it did not know.
ran_out = pytest.mark.filterwarnings("ignore:Your input ran out of data")


@ran_out
@pytest.mark.parametrize("scaled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_data_of_unknown_size(tmp_path, scaled):
    def batches():
        for first in range(0, 80, 8):
            yield IMAGES[first : first + 8], LABELS[first : first + 8]

    model, recorder = network(), GradientRecorder(tmp_path)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
        model.compile(optimizer, "sparse_categorical_crossentropy")
    for _ in range(2):
        model.fit(batches(), shuffle=False, verbose=0, callbacks=[recorder])
    run = load_run(tmp_path)
    np.testing.assert_array_equal(run.steps, np.arange(20))
    assert run.info["status"] == "finished"
    assert run.epochs["steps"].tolist() == [10, 20]


@ran_out
@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "tensorflow", reason="asks tf.data")
def test_epochs_of_unknown_size(tmp_path):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8).filter(lambda x, y: True)
    network().fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    assert load_run(tmp_path).epochs["steps"].tolist() == [10, 20, 30]


@pytest.mark.parametrize("combining", ["LossScaleOptimizer", "MultiOptimizer"])
def test_an_error_with_optimizers_inside_the_optimizer(tmp_path, combining):
    def batches():
        yield IMAGES[:8], LABELS[:8]
        yield IMAGES[:8, :3], LABELS[:8]

    inside = keras.optimizers.SGD(0.1)
    if combining == "MultiOptimizer":
        inside = keras.optimizers.OptimizerMap(inside)
    model = network()
    optimizer = getattr(keras.optimizers, combining)(inside)
    model.compile(optimizer, "sparse_categorical_crossentropy", **UNCOMPILED)
    with pytest.raises(Exception, match=r"shape|[Ii]ncompatible|\(8, 3\)"):
        model.fit(batches(), shuffle=False, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    fit(model, images=FEW)
    assert load_run(tmp_path).steps.tolist() == [0]


def test_compiled_anew_after_an_interrupt(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model = network(**UNCOMPILED)
    with pytest.raises(KeyboardInterrupt):
        fit(model, GradientRecorder(tmp_path), Interrupt())
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy", **UNCOMPILED)
    before = model.get_weights()
    fit(model, images=FEW)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Which weights


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("second|last/kernel", 3),
        pytest.param(lambda path: "first" not in path, 4, marks=pytest.mark.slow),
    ],
)
def test_layers_that_are_chosen(tmp_path, whole, chosen, expected):
    run = recorded(tmp_path, images=FEW, options=UNCOMPILED, layers=chosen)
    columns = [whole.weights["path"].tolist().index(path) for path in run.weights["path"]]
    assert not run.weights["path"].str.contains("first").any()
    assert len(columns) == expected
    np.testing.assert_allclose(run.grad_norm, whole.grad_norm[:3, columns], rtol=1e-4)


def test_no_such_layer(tmp_path):
    model = network(**UNCOMPILED)
    with pytest.raises(ValueError, match=r"layers='third', weights such as \['.*first/kernel"):
        fit(model, GradientRecorder(tmp_path / "run", layers="third"))
    assert not (tmp_path / "run").exists()
    fit(model, images=FEW)


def test_another_model(tmp_path):
    recorder = GradientRecorder(tmp_path)
    fit(network(**UNCOMPILED), recorder, images=FEW)
    with pytest.raises(ValueError, match="for another model make a new one"):
        fit(network(layers.Dense(8)), recorder)


def test_two_recorders(tmp_path):
    model = network(**UNCOMPILED)
    with pytest.raises(ValueError, match="one GradientRecorder at a time"):
        fit(model, GradientRecorder(tmp_path / "a"), GradientRecorder(tmp_path / "b"))
    fit(model, images=FEW)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"every": 0}, ValueError, "every=0 .nearest: 1"),
        ({"every": 2.0}, TypeError, "every=2.0"),
        ({"every": True}, TypeError, "every=True"),
        ({"layers": "("}, ValueError, "regular expression: .*layers='\\('"),
        ({"layers": 3}, TypeError, "layers=3"),
        ({"on_nonfinite": "raise"}, ValueError, "one of .*'stop'.*on_nonfinite='raise'"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        GradientRecorder("runs/none", **arguments)


# Logs


def test_logs_have_the_norms_of_the_epoch(trained):
    run, history = trained
    for epoch in range(2):
        norms = run.grad_norm[10 * epoch : 10 * epoch + 10].astype(float)
        expected = np.sqrt((norms**2).sum(axis=1)).mean()
        assert history["grad_norm"][epoch] == pytest.approx(expected)
        for name, path in ("grad_norm_first", "first/kernel"), ("grad_norm_last", "last/kernel"):
            column = run.weights["path"].str.endswith(path).to_numpy()
            assert history[name][epoch] == pytest.approx(norms[:, column].mean())
    assert run.epochs["grad_norm"].tolist() == pytest.approx(history["grad_norm"])


def test_other_callbacks_keep_the_norms(tmp_path):
    file = tmp_path / "log.csv"
    logger = keras.callbacks.CSVLogger(file)
    fit(network(**UNCOMPILED), GradientRecorder(tmp_path / "run"), logger, images=FEW)
    columns = file.read_text().splitlines()[0].split(",")
    assert {"grad_norm", "grad_norm_first", "grad_norm_last"} < set(columns)


# What is not finite


def with_nan(step):
    images = IMAGES.copy()
    images[8 * step + 3, 2] = np.nan
    return images


@pytest.mark.parametrize("step", [pytest.param(0, marks=pytest.mark.slow), 7])
def test_a_nan_in_a_batch_is_dated(tmp_path, step):
    with pytest.warns(UserWarning, match=f"first in step {step}. .*last/") as caught:
        run = recorded(tmp_path, images=with_nan(step), epochs=2)
    assert len([each for each in caught if "NaN" in str(each.message)]) == 1
    (found,) = run.info["nonfinite"]
    assert (found["step"], found["weights"]) == (step, 6)
    assert found["path"].endswith(("last/kernel", "last/bias"))
    assert len(run.steps) == 20
    assert not run.grad_nonfinite[:step].any()
    assert run.grad_nonfinite[step:].all()
    assert np.isfinite(run.grad_norm[:step]).all()


def test_a_nan_from_a_layer_is_placed(tmp_path):
    model = network(NotANumber(), **UNCOMPILED)
    with pytest.warns(UserWarning, match="first in step 0. .*first/.*: 2 of 6"):
        fit(model, GradientRecorder(tmp_path), images=FEW)
    (found,) = load_run(tmp_path).info["nonfinite"]
    assert found["path"].split("/")[-2] == "first"


def test_stopping(tmp_path):
    model = network()
    with pytest.warns(UserWarning, match="first in step 3"):
        history = fit(
            model,
            GradientRecorder(tmp_path, on_nonfinite="stop"),
            images=with_nan(3),
            epochs=5,
        )
    assert len(history["loss"]) == 1


def test_ignoring(tmp_path):
    images = with_nan(1)[: len(FEW)]
    run = recorded(tmp_path, images=images, options=UNCOMPILED, on_nonfinite="ignore")
    assert "nonfinite" not in run.info
    assert run.grad_nonfinite[1:].all()


def test_moving_statistics_are_watched(tmp_path):
    # The scale of the loss saves the weights from this batch, but not the moving averages.
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [layers.Input((6,)), layers.BatchNormalization(name="norm"), layers.Dense(3, "softmax")]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="NaN") as caught:
        fit(model, GradientRecorder(tmp_path), images=with_nan(4))
    messages = " ".join(str(warning.message) for warning in caught)
    assert "first in step 4" in messages
    assert "norm/moving_mean holds NaN" in messages
    gradient, statistic = load_run(tmp_path).info["nonfinite"]
    assert gradient["step"] == 4
    assert statistic["path"].endswith("norm/moving_mean")
    run = load_run(tmp_path)
    assert run.grad_nonfinite[4].any()
    assert not run.grad_nonfinite[5].any()


# What people meet


# Keras says so, too, and JAX cannot train such a model.
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.skipif(BACKEND == "jax", reason="Keras fails on JAX")
def test_a_frozen_model_is_told(tmp_path):
    model, recorder = network(**UNCOMPILED), GradientRecorder(tmp_path)
    fit(model, recorder, images=FEW)
    model.trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy", **UNCOMPILED)
    with pytest.warns(UserWarning, match="all layers of the model are frozen"):
        history = fit(model, recorder, images=FEW)
    assert "grad_norm" not in history
    model.trainable = True
    model.compile("sgd", "sparse_categorical_crossentropy", **UNCOMPILED)
    fit(model, recorder, images=FEW)
    assert load_run(tmp_path).steps.tolist() == list(range(6))
    assert len(load_run(tmp_path).epochs) == 2


def test_single_batches_after_a_recorded_training(tmp_path):
    model = network(**UNCOMPILED)
    fit(model, GradientRecorder(tmp_path), images=FEW)
    before = load_run(tmp_path).steps
    assert np.isfinite(model.train_on_batch(IMAGES[:8], LABELS[:8]))
    np.testing.assert_array_equal(load_run(tmp_path).steps, before)


def test_a_model_is_copied_while_it_is_recorded(tmp_path):
    copies = []

    class Copy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            copies.append(pickle.loads(pickle.dumps(self.model)))

    model = network(**UNCOMPILED)
    fit(model, GradientRecorder(tmp_path), Copy(), images=FEW)
    fit(copies[0], GradientRecorder(tmp_path / "copy"), images=FEW)
    for one, other in zip(model.get_weights(), copies[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_short_descriptions(tmp_path):
    recorder = GradientRecorder(tmp_path / "mine")
    assert repr(recorder) == f"<GradientRecorder to '{tmp_path}/mine'>"
    fit(network(**UNCOMPILED), recorder, images=FEW)
    assert repr(load_run(tmp_path / "mine")) == "<Run 'mine': 3 steps of 6 weights, finished>"
