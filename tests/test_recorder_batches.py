"""What is recorded of each batch, loss, rate, inputs and labels, and the facts of the training."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from members import quick
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import load_run
from keraskip.analysis.causes.rates import optimizer_line
from keraskip.analysis.evidence import Evidence
from keraskip.callbacks.book.batches import LabelTotals, joined_labels
from keraskip.callbacks.columns import OF_BATCH
from keraskip.callbacks.hook.training_facts import known_facts, training_facts
from keraskip.callbacks.step.batch import label_numbers

BACKEND = keras.backend.backend()
RANDOM = np.random.default_rng(0)
BATCH, STEPS = 8, 6
IMAGES = RANDOM.uniform(-3, 5, (STEPS * BATCH, 5)).astype("float32")
CLASSES = RANDOM.integers(0, 3, STEPS * BATCH)
TARGETS = RANDOM.normal(1000, 2, (STEPS * BATCH, 4)).astype("float32")


def network(units=3, activation="softmax", loss="sparse_categorical_crossentropy", **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            layers.Input((5,)),
            layers.Dense(7, "tanh", name="first"),
            layers.Dense(units, activation, name="last"),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    model.compile(options.pop("optimizer", keras.optimizers.SGD(rate)), loss, **options)
    return model


def recorded(folder, model, x, y, epochs=1, **options):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    recorder = GradientRecorder(folder, overwrite=True)
    history = model.fit(x, y, epochs=epochs, callbacks=[recorder], **options).history
    return load_run(folder), history


def ranges(x):
    parts = x.reshape(STEPS, -1)
    return [parts.min(axis=1), parts.max(axis=1), parts.mean(axis=1)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("run"), network(), IMAGES, CLASSES)[0]


def test_loss_is_that_of_each_step(run):
    model = network()
    expected = []
    for start in range(0, len(IMAGES), BATCH):
        part = slice(start, start + BATCH)
        logits = keras.ops.convert_to_numpy(model(IMAGES[part]))
        expected.append(-np.log(logits[np.arange(BATCH), CLASSES[part]]).mean())
        model.train_on_batch(IMAGES[part], CLASSES[part])
    np.testing.assert_allclose(run.loss, expected, rtol=1e-5)


def test_rate_is_the_one_in_use(run):
    np.testing.assert_allclose(run.learning_rate, 0.1 * 0.5 ** (np.arange(STEPS) / 2), rtol=1e-6)


def test_inputs_are_those_of_the_step(run):
    found = [run.input_min, run.input_max, run.input_mean]
    np.testing.assert_allclose(found, ranges(IMAGES), rtol=1e-5, atol=1e-6)
    assert (run.input_nonfinite == 0).all()


def test_shares_are_those_of_the_labels(run):
    (labels,) = run.info["labels"]
    np.testing.assert_allclose(labels["shares"], np.bincount(CLASSES) / len(CLASSES), rtol=1e-6)
    assert (labels["count"], labels["weighted"]) == (len(CLASSES), False)


def test_facts_of_the_training(run):
    training = run.info["training"]
    assert training["loss"] == "sparse_categorical_crossentropy"
    assert training["optimizer"]["class"] == "SGD"
    assert training["optimizer"]["learning_rate"] == "ExponentialDecay"
    assert training["dtype_policy"] == "float32"
    assert training["loss_weights"] is None
    assert run.info["outputs"] == [{"layer": "last", "units": 3, "activation": "softmax"}]
    assert run.info["calls"][-2:] == ["first", "last"]
    assert run.info["classes"] == 3
    assert run.info["untrained"] == run.info["alike"] == []


def test_the_policy_is_that_of_most_layers_and_factors_of_losses_are_kept():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, dtype="mixed_float16")(inputs)
    outputs = [
        keras.layers.Dense(1, dtype=policy, name=policy)(hidden)
        for policy in ("mixed_float16", "float32")
    ]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["mse", "mse"], loss_weights=[1, 0.5])
    facts = training_facts(model)["training"]
    assert facts["dtype_policy"] == "mixed_float16"
    assert json.loads(json.dumps(facts["loss_weights"])) == [1.0, 0.5]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="traced in this way there")
def test_facts_are_known_while_the_step_is_being_traced():
    """A GAN, whose optimizers are its own, shows its weights no earlier."""
    import tensorflow as tf

    found = []
    ones = keras.layers.Dense(2, kernel_initializer="ones", name="ones")
    model = keras.Sequential([keras.Input((3,)), ones, keras.layers.Dense(1)])
    tf.function(lambda: found.append(known_facts(model)))()
    assert found[0]["alike"] == ["ones"]


def test_the_rates_of_dropout_are_kept_where_layers_are_nested_too():
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(3), layers.SpatialDropout1D(0.9, name="maps")])
    model = keras.Sequential([keras.Input((4, 4)), inner, layers.Dropout(0.5, name="units")])
    model.compile("sgd", "mse")
    assert training_facts(model)["dropout"] == {"maps": 0.9, "units": 0.5}


def test_of_dropouts_of_one_name_the_highest_rate_is_kept_and_noise_drops_nothing():
    inside = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.2, name="d"), keras.layers.Dense(4)]
    )
    layers = [keras.layers.AlphaDropout(0.9, name="d"), inside, keras.layers.GaussianDropout(0.95)]
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    facts = training_facts(model)
    assert (facts["dropout"], facts["dropout_kinds"]) == ({"d": 0.9}, {"d": "AlphaDropout"})
    model.layers[0].rate = None
    assert training_facts(model)["dropout"] == {"d": 0.2}


def test_values_that_are_not_finite_are_counted_and_left_out(tmp_path):
    x = IMAGES.copy()
    x[BATCH, :3] = np.nan, np.inf, -np.inf
    with pytest.warns(UserWarning, match="step 1"):
        broken, _ = recorded(tmp_path, network(**UNCOMPILED), x, CLASSES)
    assert broken.input_nonfinite.tolist() == [0, 3, 0, 0, 0, 0]
    part = x[BATCH : 2 * BATCH]
    finite = part[np.isfinite(part)]
    found = [broken.input_min[1], broken.input_max[1], broken.input_mean[1]]
    np.testing.assert_allclose(found, [finite.min(), finite.max(), finite.mean()], rtol=1e-5)


def test_labels_that_are_not_finite_are_counted_and_left_out(tmp_path):
    """In the second step one of four units: the run is written to its end, and tells why."""
    y = TARGETS.copy()
    y[BATCH, 1] = np.nan
    with pytest.warns(UserWarning, match="step 1"):
        run, _ = recorded(tmp_path, network(4, None, "mse", **UNCOMPILED), IMAGES, y)
    (labels,) = run.info["labels"]
    kept = np.delete(TARGETS, np.arange(BATCH, 2 * BATCH), axis=0)
    assert (labels["count"], labels["nonfinite"]) == (len(kept), 1)
    np.testing.assert_allclose(labels["means"], kept.mean(axis=0), rtol=1e-4, atol=1e-5)
    assert run.info["status"] == "finished"


def facts_of(labels, are_classes, width):
    """What is kept of labels that come in batches of 8."""
    rows = []
    for start in range(0, len(labels), BATCH):
        count, means, variances = label_numbers(labels[start : start + BATCH], width, are_classes)
        rows.append([[0.0] * len(OF_BATCH) + [float(count), *means, *variances]])
    totals = LabelTotals([width])
    if rows:
        totals.add(np.array(rows, float))
    return totals.facts([are_classes], False)


@pytest.mark.parametrize("kind", ["classes", "values", "units", "nothing before"])
def test_labels_of_two_parts_are_those_of_the_whole(kind):
    labels, width = (CLASSES, 5) if kind == "classes" else (TARGETS, 4 if kind == "units" else 1)
    end = 0 if kind == "nothing before" else BATCH
    parts = [facts_of(part, kind == "classes", width) for part in (labels[:end], labels[end:])]
    (joined,), (whole,) = joined_labels(*parts), facts_of(labels, kind == "classes", width)
    assert joined.keys() == whole.keys()
    for key, value in whole.items():
        np.testing.assert_allclose(joined[key], value, rtol=1e-6, err_msg=key)


def test_labels_of_another_kind_are_counted_anew():
    parts = facts_of(CLASSES, True, 3), facts_of(TARGETS, False, 4)
    assert joined_labels(*parts) == parts[1]
    assert joined_labels(parts[0], []) == parts[0]


ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
SEEN = {
    "values": (network, (4, None, "mse"), TARGETS),
    "one-hot": (network, (3, "softmax", "categorical_crossentropy"), ONE_HOT),
    "two classes": (network, (1, "sigmoid", "binary_crossentropy"), CLASSES > 1),
    "classes as a column": (network, (), CLASSES[:, None].astype("float32")),
}


@pytest.mark.parametrize("kind", SEEN)
def test_labels_of_other_kinds(tmp_path, kind):
    build, arguments, y = SEEN[kind]
    run, _ = recorded(tmp_path, build(*arguments, **UNCOMPILED), IMAGES, y)
    (labels,) = run.info["labels"]
    assert labels["count"] == len(y)
    if kind == "classes as a column":
        np.testing.assert_allclose(labels["shares"], np.bincount(CLASSES) / len(CLASSES))
        return
    # float32 sums of values around 1000 would have lost the variance.
    np.testing.assert_allclose(labels["mean"], y.mean(), rtol=1e-5)
    np.testing.assert_allclose(labels["variance"], y.var(axis=0).mean(), rtol=1e-3)
    if y.ndim > 1:
        np.testing.assert_allclose(labels["means"], y.mean(axis=0), rtol=1e-5)


class OwnStep(keras.Model):
    """A training step as people write it: the loss goes to a metric, or is returned as it is."""

    def __init__(self, returns):
        super().__init__()
        self.dense = layers.Dense(5)
        self.total = keras.metrics.Mean(name="total_loss" if returns == "metric" else "mean")
        self.returns = returns

    def call(self, x):
        return self.dense(x)

    def compute_loss(self, data):
        return keras.ops.mean(keras.ops.square(self(data) - data))

    def logs(self, loss):
        """What the step returns."""
        if self.returns == "loss":
            return {"loss": loss, "mean": self.total.result()}
        if self.returns == "parts":
            return {"loss": {"all": loss, "mean": self.total.result()}}
        return {"loss": self.total.result()}

    def train_step(self, *args):
        return getattr(self, f"on_{BACKEND}")(*args)

    def on_tensorflow(self, data):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self.compute_loss(data)
        self.optimizer.apply(
            tape.gradient(loss, self.trainable_variables), self.trainable_variables
        )
        self.total.update_state(loss)
        return self.logs(loss)

    def on_torch(self, data):
        import torch

        self.zero_grad()
        loss = self.compute_loss(data)
        loss.backward()
        grads = [variable.value.grad for variable in self.trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(grads, self.trainable_weights)
        self.total.update_state(loss.detach())
        return self.logs(loss)

    def on_jax(self, state, data):
        import jax

        trained, others, of_optimizer, of_metrics = state

        def loss_of(trained):
            return keras.ops.mean((self.stateless_call(trained, others, data)[0] - data) ** 2)

        loss, grads = jax.value_and_grad(loss_of)(trained)
        trained, of_optimizer = self.optimizer.stateless_apply(of_optimizer, grads, trained)
        with keras.StatelessScope(
            list(zip(self.metrics_variables, of_metrics, strict=True))
        ) as scope:
            self.total.update_state(loss)
            logs = self.logs(loss)
        of_metrics = [scope.get_current_value(variable) for variable in self.metrics_variables]
        return logs, (trained, others, of_optimizer, of_metrics)


@pytest.mark.parametrize("returns", ["metric", "loss"])
def test_loss_of_a_step_of_ones_own(tmp_path, returns):
    model = OwnStep(returns)
    model.compile("sgd", **UNCOMPILED)
    model(IMAGES[:BATCH])  # makes its weights
    run, _ = recorded(tmp_path, model, IMAGES, None)
    (mean,) = keras.ops.convert_to_numpy(model.total.result())[None]
    assert run.loss.mean() == pytest.approx(mean, rel=1e-5)
    assert len(set(run.loss.tolist())) == STEPS
    assert "result" not in vars(model.total)


class ListsTwice(OwnStep):
    """Keras lists the metric of an attribute, and so does this."""

    @property
    def metrics(self):
        return [*super().metrics, self.total]


@pytest.mark.parametrize(
    ("kind", "returns"), [(OwnStep, "mean"), (OwnStep, "parts"), (ListsTwice, "mean")]
)
def test_the_mean_of_an_epoch_is_no_loss_of_a_step(tmp_path, kind, returns):
    model = kind(returns)
    model.compile("sgd", **UNCOMPILED)
    model(IMAGES[:BATCH])  # makes its weights
    run, _ = recorded(tmp_path, model, IMAGES[: 2 * BATCH], None)
    assert np.isnan(run.loss).all()


def test_whole_numbers_are_looked_at_where_nothing_else_is(tmp_path):
    model = keras.Sequential([layers.Input((5,), dtype="int32"), layers.Embedding(9, 2)])
    model.compile("sgd", "mse", **UNCOMPILED)
    words = RANDOM.integers(0, 9, (STEPS * BATCH, 5))
    run, _ = recorded(tmp_path, model, words, np.zeros((len(words), 5, 2)))
    np.testing.assert_allclose([run.input_min, run.input_max, run.input_mean], ranges(words))


def test_several_inputs_and_outputs(tmp_path):
    keras.utils.set_random_seed(0)
    a, b = layers.Input((5,), name="a"), layers.Input((4,), name="b")
    joined = layers.Concatenate()([a, b])
    outputs = {
        "kind": layers.Dense(3, "softmax", name="kind")(joined),
        "size": layers.Dense(4, name="size")(joined),
    }
    model = keras.Model({"a": a, "b": b}, outputs)
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile("sgd", losses, **UNCOMPILED)
    x, y = {"a": IMAGES, "b": TARGETS / 1000}, {"kind": CLASSES, "size": TARGETS / 1000}
    run, _ = recorded(tmp_path, model, x, y)
    kind, size = run.info["labels"]
    np.testing.assert_allclose(kind["shares"], np.bincount(CLASSES) / len(CLASSES), rtol=1e-6)
    np.testing.assert_allclose(size["means"], TARGETS.mean(axis=0) / 1000, rtol=1e-5)
    assert run.input_min.min() == pytest.approx(IMAGES.min())
    assert [output["layer"] for output in run.info["outputs"]] == ["kind", "size"]


def test_units_that_are_all_alike_and_layers_that_do_not_train(tmp_path):
    keras.utils.set_random_seed(0)
    frozen = layers.Dense(4, trainable=False, name="frozen")
    alike = layers.Dense(4, kernel_initializer="ones", name="same")
    model = keras.Sequential([layers.Input((5,)), frozen, alike, layers.Dense(4)])
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mse", **UNCOMPILED)
    run, _ = recorded(tmp_path, model, IMAGES, TARGETS)
    assert run.info["alike"] == ["same"]
    assert run.info["untrained"] == [{"layer": "frozen", "weights": 2, "reason": "frozen"}]
    settings = run.info["training"]["optimizer"]
    assert settings["learning_rate"] == pytest.approx(0.01)
    assert settings["clipnorm"] == 1.0


class Extended(keras.optimizers.SGD):
    """Someone's variant of an optimizer of Keras."""


class Own(keras.optimizers.Optimizer):
    """An optimizer that Keras does not have."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * gradient)


@pytest.mark.parametrize(
    ("optimizer", "line"),
    [
        (keras.optimizers.Adam, "keras.optimizers.Adam(learning_rate=0.001)"),
        (Extended, "keras.optimizers.SGD(learning_rate=0.001)"),
        (Own, "Own(learning_rate=0.001)"),
    ],
)
def test_a_remedy_names_an_optimizer_that_is_there(tmp_path, optimizer, line):
    model = keras.Sequential([layers.Input((5,)), layers.Dense(4)])
    model.compile(optimizer(0.01), "mse", **UNCOMPILED)
    run, _ = recorded(tmp_path, model, IMAGES, TARGETS)
    assert optimizer_line(Evidence(run, None, None), learning_rate=0.001) == f"optimizer = {line}"


WAYS = {"jit_compile": True, "steps_per_execution": 4, "run_eagerly": True}


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has neither there")
@pytest.mark.parametrize("way", quick(["steps_per_execution"], WAYS))
def test_numbers_are_the_same_however_the_step_runs(tmp_path, run, way):
    if BACKEND == "jax" and way == "jit_compile":
        pytest.skip("as by default")
    other, _ = recorded(tmp_path, network(**{way: WAYS[way]}), IMAGES, CLASSES)
    for name, numbers in run.scalars.items():
        np.testing.assert_allclose(other.scalars[name], numbers, rtol=1e-4, err_msg=name)
    assert other.info["labels"] == run.info["labels"]


def test_metrics_are_left_as_they_were(tmp_path):
    model = network(**UNCOMPILED)
    recorded(tmp_path, model, IMAGES[:BATCH], CLASSES[:BATCH])
    assert all("update_state" not in vars(metric) for metric in model.metrics)


def test_validation_is_no_step(tmp_path, run):
    model, held_out = network(**UNCOMPILED), (IMAGES[:BATCH] + 9, CLASSES[:BATCH])
    other, _ = recorded(tmp_path, model, IMAGES, CLASSES, validation_data=held_out)
    np.testing.assert_allclose(other.loss, run.loss, rtol=1e-5)
    assert other.input_max.max() == pytest.approx(IMAGES.max())


def test_every_second_step(tmp_path, run):
    model = network(**UNCOMPILED)
    recorder = GradientRecorder(tmp_path, every=2)
    model.fit(IMAGES, CLASSES, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[recorder])
    np.testing.assert_allclose(load_run(tmp_path).loss, run.loss[::2], rtol=1e-5)
