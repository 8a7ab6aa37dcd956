"""Networks that train through optimizers of their own, in turn, or several in one step."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from quiet import GradientRecorder
from uncompiled import UNCOMPILED

from keraskip import compare, load_run

BACKEND = keras.backend.backend()
STEPS, BATCH = 6, 8
IMAGES = np.random.default_rng(0).normal(size=(STEPS * BATCH, 4)).astype("float32")
FEW = IMAGES[: 2 * BATCH]  # two steps
by_hand = pytest.mark.skipif(BACKEND == "jax", reason="JAX keeps the state of one optimizer")


def differentiated(loss_of, weights):
    """The gradients of a loss, by the backend's own means."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_of()
        return loss, tape.gradient(loss, weights)
    for weight in weights:
        weight.value.grad = None
    loss = loss_of()
    loss.backward()
    return loss, [weight.value.grad for weight in weights]


def dense(name, *units):
    stack = [layers.Dense(count, "tanh") for count in units[1:-1]]
    return keras.Sequential([layers.Input(units[:1]), *stack, layers.Dense(units[-1])], name=name)


class Gan(keras.Model):
    """A generator and a critic, which takes some steps before each step of the generator."""

    def __init__(self, critic_steps=1, shared=False, kind=keras.optimizers.SGD):
        super().__init__()
        self.generator, self.critic = dense("generator", 4, 6, 6, 4), dense("critic", 4, 5, 5, 1)
        self.critic_optimizer = kind(0.01)
        self.generator_optimizer = self.critic_optimizer if shared else kind(0.02)
        if shared:
            self.critic_optimizer.build(self.trainable_variables)
        self.critic_steps = critic_steps
        self.norms = {"critic": [], "generator": []}
        self.built = True  # it has no call of its own

    def losses_for(self, images):
        def critic_loss():
            return ops.mean(self.critic(self.generator(images)) - self.critic(images))

        def generator_loss():
            return -ops.mean(self.critic(self.generator(images)))

        return critic_loss, generator_loss

    def train_step(self, data):
        images = data[0] if isinstance(data, tuple) else data
        critic_loss, generator_loss = self.losses_for(images)
        for _ in range(self.critic_steps):
            self._update("critic", critic_loss)
        return {"loss": self._update("generator", generator_loss)}

    def _update(self, name, loss_of):
        network = getattr(self, name)
        loss, grads = differentiated(loss_of, network.trainable_variables)
        if BACKEND == "torch" or self.run_eagerly:
            norms = [np.linalg.norm(ops.convert_to_numpy(grad)) for grad in grads]
            self.norms[name].append(norms)
        apply = getattr(self, f"{name}_optimizer").apply
        if BACKEND == "torch":
            import torch

            with torch.no_grad():
                apply(grads, network.trainable_variables)
        else:
            apply(grads, network.trainable_variables)
        return loss


def trained(folder, model, epochs=1, compiled=None, **arguments):
    model.compile(**compiled or {})
    recorder = GradientRecorder(folder, **arguments) if folder else None
    callbacks = [recorder] if recorder else []
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": epochs}
    model.fit(IMAGES, callbacks=callbacks, **options)
    return load_run(folder) if folder else None


def gan(**options):
    keras.utils.set_random_seed(0)
    return Gan(**options)


def norms_by_hand(**options):
    """The gradients that the same networks have without a recorder, step by step."""
    model = gan(**options)
    trained(None, model, compiled={"run_eagerly": True})
    return {name: np.array(norms) for name, norms in model.norms.items()}


def assert_equal_norms(part, expected, network):
    paths = [variable.path for variable in network.trainable_variables]
    order = [paths.index(path) for path in part.weights["path"]]
    np.testing.assert_allclose(part.grad_norm, expected[:, order], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """A GAN whose critic takes two steps before each of the generator, and its record."""
    model = gan(critic_steps=2)
    folder = tmp_path_factory.mktemp("twice") / "gan"
    return model, trained(folder, model, compiled={"optimizer": None}, verbose=1)


@by_hand
def test_two_networks_with_an_optimizer_each(twice):
    assert_both_recorded(*twice, critic_steps=2)


@pytest.mark.slow
@by_hand
@pytest.mark.parametrize(("critic_steps", "compiled"), [(1, {}), (5, {}), (5, {"optimizer": None})])
def test_two_networks_in_other_ways(tmp_path, critic_steps, compiled):
    model = gan(critic_steps=critic_steps)
    run = trained(tmp_path, model, compiled=compiled)
    assert_both_recorded(model, run, critic_steps=critic_steps)


def assert_both_recorded(model, run, critic_steps):
    critic, generator = run.parts
    assert [part.info["part"] for part in run.parts] == ["critic", "generator"]
    settings = [part.info["training"]["optimizer"] for part in run.parts]
    assert [each["class"] for each in settings] == ["SGD", "SGD"]
    assert [each["learning_rate"] for each in settings] == pytest.approx([0.01, 0.02])
    assert critic.steps.tolist() == list(range(STEPS * critic_steps))
    assert generator.steps.tolist() == list(range(STEPS))
    expected = norms_by_hand(critic_steps=critic_steps)
    assert_equal_norms(critic, expected["critic"], model.critic)
    assert_equal_norms(generator, expected["generator"], model.generator)
    assert critic.weights["depth"].tolist() == [1, 1, 2, 2, 3, 3]
    assert run.epochs["grad_norm"].notna().all()
    assert not any("apply" in vars(o) for o in (model.critic_optimizer, model.generator_optimizer))


@pytest.mark.slow
@by_hand
def test_one_optimizer_that_trains_two_networks_in_turn(tmp_path):
    model = gan(shared=True)
    critic, generator = trained(tmp_path, model).parts
    assert [critic.name, generator.name] == [
        f"{tmp_path.name} (critic)", f"{tmp_path.name} (generator)",
    ]  # fmt: skip
    assert critic.steps.tolist() == list(range(0, 2 * STEPS, 2))
    expected = norms_by_hand(shared=True)
    assert_equal_norms(critic, expected["critic"], model.critic)
    assert_equal_norms(generator, expected["generator"], model.generator)


@pytest.mark.slow  # that each counts for itself: the tests of two networks above, too
@by_hand
def test_each_optimizer_counts_its_own_steps(tmp_path):
    critic, generator = trained(tmp_path, gan(critic_steps=2), every=4, epochs=2).parts
    assert critic.steps.tolist() == list(range(0, 24, 4))
    assert generator.steps.tolist() == [0, 4, 8]


@pytest.mark.slow
@by_hand
def test_a_training_that_goes_on_numbers_the_steps_of_each(tmp_path):
    model = gan(critic_steps=2)
    model.compile(**UNCOMPILED)
    recorder = GradientRecorder(tmp_path)
    for _ in range(2):
        model.fit(FEW, batch_size=BATCH, verbose=0, callbacks=[recorder])
    critic, generator = load_run(tmp_path).parts
    assert critic.steps.tolist() == list(range(8))
    assert generator.steps.tolist() == list(range(4))


@pytest.mark.slow
@by_hand
def test_training_of_a_gan_is_bit_identical(tmp_path):
    models = gan(kind=keras.optimizers.Adam), gan(kind=keras.optimizers.Adam)
    for folder, model in zip((None, tmp_path), models, strict=True):
        trained(folder, model, epochs=3)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@by_hand
def test_an_optimizer_that_is_called_now_and_then(tmp_path):
    """On PyTorch, and uncompiled, a step may train other networks than the one before."""

    class NowAndThen(Gan):
        count = 0

        def train_step(self, data):
            self.count += 1
            images = data[0] if isinstance(data, tuple) else data
            critic_loss, generator_loss = self.losses_for(images)
            if self.count % 3 == 0:
                self._update("generator", generator_loss)
            return {"loss": self._update("critic", critic_loss)}

    keras.utils.set_random_seed(0)
    model = NowAndThen()
    run = trained(tmp_path, model, epochs=5, every=4, compiled={"run_eagerly": True})
    critic, generator = run.parts
    assert critic.steps.tolist() == list(range(0, 30, 4))
    assert generator.steps.tolist() == [0, 4, 8]


@by_hand
def test_the_logs_have_the_norm_of_a_kernel_over_its_own_steps(twice):
    _, run = twice
    last = run.weights.index[run.weights["shape"].map(len) > 1][-1]
    norms = run.grad_norm[~run.missing[:, last], last]
    assert run.epochs["grad_norm_last"][0] == pytest.approx(norms.mean(), rel=1e-5)


@by_hand
def test_an_optimizer_inside_of_another_one_is_a_part_of_it(tmp_path):
    model = dense("scaled", 4, 3, 4)
    optimizer = keras.optimizers.SGD(0.1)
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer), "mse")
    model.own = optimizer
    model.fit(IMAGES, IMAGES, batch_size=BATCH, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    run = load_run(tmp_path)
    assert run.info["optimizers"] == ["optimizer"]
    assert run.steps.tolist() == list(range(STEPS))


@pytest.mark.slow
@by_hand
def test_a_part_that_is_trained_by_itself_in_between(tmp_path):
    """Its steps are of another training."""

    class Between(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            critic.train_on_batch(IMAGES[:BATCH], np.zeros((BATCH, 1)))

    model, critic = gan(), dense("alone", 4, 3, 1)
    critic.compile("sgd", "mse", **UNCOMPILED)
    model.alone = critic
    model.compile(**UNCOMPILED)
    callbacks = [GradientRecorder(tmp_path), Between()]
    model.fit(FEW, batch_size=BATCH, verbose=0, callbacks=callbacks)
    assert [len(part.steps) for part in load_run(tmp_path).parts] == [2, 2]


@by_hand
def test_a_gan_is_compared_part_by_part(tmp_path, twice):
    _, run = twice
    found = compare(run.path)
    names = ["gan (critic)", "gan (generator)"]
    assert [verdict.run for verdict in found.verdicts] == names
    assert [verdict.steps for verdict in found.verdicts] == [2 * STEPS, STEPS]
    assert "(generator)" in found.table()
    assert found.save(tmp_path / "report.html").is_file()


class Careless(keras.Model):
    """Updates its weights without any optimizer."""

    def __init__(self):
        super().__init__()
        self.inner = dense("inner", 4, 3, 1)
        self.built = True

    def train_step(self, *args):
        if BACKEND == "jax":
            return {"loss": ops.zeros(())}, args[0]
        return {"loss": ops.mean(self.inner(args[0][0] if isinstance(args[0], tuple) else args[0]))}


def test_a_training_without_a_step_is_told(tmp_path):
    model = Careless()
    with pytest.warns(UserWarning, match="No step was recorded") as told:
        trained(tmp_path, model, epochs=2, compiled=UNCOMPILED)
    assert sum("No step was recorded" in str(each.message) for each in told) == 1


def test_a_usual_run_is_its_only_part(tmp_path):
    model = dense("usual", 4, 3, 4)
    model.compile("sgd", "mse", **UNCOMPILED)
    model.fit(IMAGES, IMAGES, verbose=0, callbacks=[GradientRecorder(tmp_path)])
    run = load_run(tmp_path)
    assert run.parts == [run]
    assert not run.missing.any()
    assert run.name == tmp_path.name


@pytest.mark.skipif(BACKEND != "jax", reason="the other backends record it")
def test_jax_tells_which_optimizer_it_cannot_record(tmp_path):
    import jax

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = dense("inner", 4, 3, 1)
            self.built = True
            self.own = keras.optimizers.SGD(0.1)
            self.own.build(self.inner.trainable_variables)

        def train_step(self, state, data):
            trainable, others, of_optimizer, metrics = state

            def loss_of(trainable):
                images = data[0] if isinstance(data, tuple) else data
                outputs, _ = self.inner.stateless_call(trainable, [], images)
                return ops.mean(outputs**2)

            loss, grads = jax.value_and_grad(loss_of)(trainable)
            own = [variable.value for variable in self.own.variables]
            trainable, _ = self.own.stateless_apply(own, grads, trainable)
            return {"loss": loss}, (trainable, others, of_optimizer, metrics)

    with (
        pytest.warns(UserWarning, match="On JAX a training step returns"),
        pytest.warns(UserWarning, match="No step was recorded"),
    ):
        trained(tmp_path, Own())
