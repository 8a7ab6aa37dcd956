"""Networks for tables and graphs, and trainings with weights and data of all kinds."""

import keras
import numpy as np
from by_hand import gradients_of
from foreign import (
    RANDOM,
    ROWS,
    arrays,
    as_generator,
    as_pydataset,
    as_tf_data,
    compiled,
    foreign,
)
from keras import layers, ops

NUMBERS = RANDOM.normal(size=(ROWS, 6)).astype("float32")
KINDS = RANDOM.integers(0, 5, (ROWS, 2))
CLASSES = RANDOM.integers(0, 3, ROWS)
TARGETS = RANDOM.normal(size=(ROWS, 1)).astype("float32")
WEIGHTS = RANDOM.uniform(0, 2, ROWS).astype("float32")
CLASS_WEIGHTS = {0: 1.0, 1: 5.0, 2: 0.5}


def with_class_weights(x, y, _):
    return {**arrays(x, y, None), "class_weight": CLASS_WEIGHTS}


@foreign(
    {"numbers": NUMBERS, "kinds": KINDS},
    CLASSES,
    np.array([CLASS_WEIGHTS[each] for each in CLASSES], "float32"),
    feed=with_class_weights,
)
def wide_and_deep():
    """Some columns are numbers, others are kinds; rare classes count more."""
    numbers = keras.Input((6,), name="numbers")
    kinds = keras.Input((2,), name="kinds", dtype="int32")
    scale = layers.Normalization()
    scale.adapt(NUMBERS)
    deep = [scale(numbers), layers.Flatten()(layers.Embedding(5, 3)(kinds))]
    deep = layers.Dense(6, "selu")(layers.Concatenate()(deep))
    wide = layers.CategoryEncoding(5, "multi_hot")(kinds)
    outputs = layers.Dense(3, "softmax")(layers.Concatenate()([wide, layers.Dropout(0.3)(deep)]))
    model = keras.Model({"numbers": numbers, "kinds": kinds}, outputs)
    return compiled(model, optimizer="ftrl", weighted_metrics=["accuracy"])


@foreign(
    NUMBERS,
    {"kind": CLASSES, "size": TARGETS},
    {"kind": WEIGHTS, "size": np.ones(ROWS, "float32")},
)
def two_outputs():
    x = numbers = keras.Input((6,))
    x = layers.Dense(6, "swish")(layers.BatchNormalization()(x))
    kind = layers.Dense(3, "softmax", name="kind")(x)
    size = layers.Dense(1, name="size")(layers.Dense(4, "relu")(x))
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model = keras.Model(numbers, {"kind": kind, "size": size})
    return compiled(model, losses, loss_weights={"kind": 1.0, "size": 0.2})


def small(last="softmax"):
    stack = [layers.Input((6,)), layers.Dense(5, "tanh"), layers.Dense(3, last)]
    return keras.Sequential(stack)


@foreign(NUMBERS, CLASSES, feed=as_pydataset)
def from_a_pydataset():
    return compiled(small())


@foreign(NUMBERS, CLASSES, WEIGHTS, feed=as_generator)
def from_a_generator_with_weights():
    return compiled(small())


@foreign(NUMBERS, CLASSES, WEIGHTS, feed=as_tf_data)
def from_tf_data_with_weights():
    return compiled(small())


@foreign(NUMBERS, CLASSES, WEIGHTS)
def with_sample_weights():
    return compiled(small(), keras.losses.SparseCategoricalCrossentropy(reduction="sum"))


@foreign(NUMBERS, np.eye(3, dtype="float32")[CLASSES])
def focal_loss_of_a_loaded_model():
    model = keras.models.clone_model(small())
    model = type(model).from_config(model.get_config())
    loss = keras.losses.CategoricalFocalCrossentropy(label_smoothing=0.1)
    return compiled(model, loss, metrics=["auc"])


@foreign(KINDS, CLASSES)
def lora():
    """A trained network whose layers learn by a change of low rank."""
    x = kinds = keras.Input((2,), dtype="int32")
    embedding, first = layers.Embedding(5, 4), layers.Dense(4, "relu")
    projection = layers.EinsumDense("abc,cd->abd", (2, 4), bias_axes="d")
    x = projection(first(embedding(x)))
    model = keras.Model(kinds, layers.Dense(3, "softmax")(layers.Flatten()(x)))
    for layer in embedding, first, projection:
        layer.enable_lora(2)
    return compiled(model, optimizer="sgd")


class Experts(layers.Layer):
    """Sends each row to the best of some networks, and wants all of them to be used."""

    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1], 3), name="gate")
        self.kernels = self.add_weight(shape=(3, shape[-1], 4), name="kernels")

    def call(self, x):
        shares = ops.softmax(ops.matmul(x, self.gate))
        best = ops.one_hot(ops.argmax(shares, axis=-1), 3) * shares
        self.add_loss(0.1 * ops.sum(ops.mean(shares, axis=0) ** 2))
        return ops.einsum("bi,eio,be->bo", x, self.kernels, best)


@foreign(NUMBERS, TARGETS)
def mixture_of_experts():
    model = keras.Sequential([layers.Input((6,)), Experts(), layers.LeakyReLU(), layers.Dense(1)])
    return compiled(model, "log_cosh")


class Graph(layers.Layer):
    """Each node hears the mean of its neighbours."""

    def __init__(self, units):
        super().__init__()
        self.own, self.heard = layers.Dense(units), layers.Dense(units, use_bias=False)

    def call(self, inputs):
        nodes, edges = inputs
        degree = ops.maximum(ops.sum(edges, axis=-1, keepdims=True), 1)
        return ops.relu(self.own(nodes) + self.heard(ops.matmul(edges, nodes) / degree))


@foreign(
    (
        RANDOM.normal(size=(ROWS, 4, 3)).astype("float32"),
        RANDOM.integers(0, 2, (ROWS, 4, 4)).astype("float32"),
    ),
    TARGETS,
)
def graph_network():
    nodes, edges = keras.Input((4, 3)), keras.Input((4, 4))
    x = Graph(4)([Graph(4)([nodes, edges]), edges])
    model = keras.Model([nodes, edges], layers.Dense(1)(layers.GlobalMaxPooling1D()(x)))
    return compiled(model, "mse", "adamax")


class Distilled(keras.Model):
    """A student learns from labels and from a teacher that stays as it is."""

    def __init__(self):
        super().__init__()
        self.teacher, self.student = small(None), small(None)
        self.teacher.trainable = False

    def call(self, x, training=None):
        return self.student(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        taught = super().compute_loss(x, y, y_pred, sample_weight)
        teacher = ops.softmax(self.teacher(x, training=False) / 2)
        return taught + ops.mean(keras.losses.kl_divergence(teacher, ops.softmax(y_pred / 2)))


@foreign(NUMBERS, CLASSES)
def distillation():
    return compiled(Distilled(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


class Equilibrium(keras.Model):
    """One layer, called until its output stays, whose input a small network makes."""

    def __init__(self):
        super().__init__()
        self.step, self.maker, self.head = layers.Dense(4), layers.Dense(16), layers.Dense(1)

    def call(self, x, training=None):
        kernels = ops.reshape(self.maker(x), (-1, 4, 4))
        state = ops.ones_like(x[:, :4])
        for _ in range(4):
            state = ops.tanh(self.step(state) + ops.einsum("bij,bj->bi", kernels, state))
        return self.head(state)


@foreign(NUMBERS, TARGETS)
def equilibrium_with_a_hypernetwork():
    return compiled(Equilibrium(), "mse", keras.optimizers.Lion(1e-3))


class Flow(keras.Model):
    """Turns numbers into noise by steps that can be undone; the loss is the likelihood."""

    def __init__(self):
        super().__init__()
        self.couplings = [small(None) for _ in range(2)]

    def call(self, x, training=None):
        total = 0.0
        for coupling in self.couplings:
            kept = ops.concatenate([x[:, :3], ops.zeros_like(x[:, 3:])], axis=-1)
            shift = coupling(kept, training=training)
            size = ops.tanh(shift)
            x = ops.concatenate([x[:, 3:] * ops.exp(size) + shift, x[:, :3]], axis=-1)
            total += ops.sum(size, axis=-1)
        return x, total

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        noise, size = y_pred
        return ops.mean(0.5 * ops.sum(noise**2, axis=-1) - size)


@foreign(NUMBERS)
def normalizing_flow():
    return compiled(Flow(), None)


class Physics(keras.Model):
    """Its second derivative shall be its negative: the loss itself holds a gradient."""

    def residual(self, x):
        import tensorflow as tf

        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = self(x)
            slope = inner.gradient(y, x)
        return tf.reduce_mean((outer.gradient(slope, x) + y) ** 2)

    def train_step(self, data):
        weights = self.trainable_variables
        grads = gradients_of(lambda: self.residual(data[0]), weights)
        self.optimizer.apply_gradients(zip(grads, weights, strict=True))
        return {"grad": ops.norm(grads[-1])}


def of_physics(model, x, y, weights):
    return model.residual(x)


@foreign(TARGETS, TARGETS, loss=of_physics, backends=("tensorflow",))
def physics():
    x = points = keras.Input((1,))
    for _ in range(2):
        x = layers.Dense(5, "tanh")(x)
    return compiled(Physics(points, layers.Dense(1, use_bias=False)(x)), None)
