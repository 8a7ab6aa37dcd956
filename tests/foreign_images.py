"""Networks for images, as people write them."""

import keras
from by_hand import gradients_of
from foreign import BACKEND, RANDOM, ROWS, as_loader, compiled, foreign
from keras import layers, ops

IMAGES = RANDOM.uniform(size=(ROWS, 8, 8, 3)).astype("float32")
GREY = IMAGES[..., :1]
OTHERS = IMAGES[::-1]
CLASSES = RANDOM.integers(0, 3, ROWS)
SAME = RANDOM.integers(0, 2, (ROWS, 1)).astype("float32")


def dice(true, predicted):
    both = ops.sum(true * predicted, axis=(1, 2, 3))
    either = ops.sum(true, axis=(1, 2, 3)) + ops.sum(predicted, axis=(1, 2, 3))
    return 1 - (2 * both + 1) / (either + 1)


def convolution(x, filters):
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


@foreign(IMAGES, (GREY > 0.5).astype("float32"))
def unet():
    images = keras.Input((8, 8, 3))
    high = convolution(images, 4)
    low = convolution(layers.MaxPooling2D()(high), 6)
    x = layers.Conv2DTranspose(4, 2, 2)(low)
    x = convolution(layers.Concatenate()([x, high]), 4)
    return compiled(keras.Model(images, layers.Conv2D(1, 1, activation="sigmoid")(x)), dice)


def encoder():
    stack = [
        layers.Input((8, 8, 3)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
    ]
    return keras.Sequential(stack)


def contrastive(same, distance):
    return same * distance**2 + (1 - same) * ops.maximum(1 - distance, 0) ** 2


@foreign((IMAGES, OTHERS), SAME)
def siamese():
    one, other, shared = keras.Input((8, 8, 3)), keras.Input((8, 8, 3)), encoder()
    difference = layers.Subtract()([shared(one), shared(other)])
    distance = layers.Lambda(lambda x: ops.norm(x, axis=-1, keepdims=True))(difference)
    return compiled(keras.Model([one, other], distance), contrastive)


class Triplets(keras.Model):
    """An anchor shall lie nearer to its like than to another image."""

    def __init__(self):
        super().__init__()
        self.encoder = encoder()

    def call(self, images, training=None):
        return [self.encoder(each, training=training) for each in images]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        anchor, like, unlike = y_pred
        near = ops.sum((anchor - like) ** 2, axis=-1)
        far = ops.sum((anchor - unlike) ** 2, axis=-1)
        return ops.mean(ops.relu(near - far + 1))


@foreign((IMAGES, IMAGES + 0.1, OTHERS))
def triplets():
    return compiled(Triplets(), None)


class ClassToken(layers.Layer):
    """Puts a learned token before the others."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal", name="token")

    def call(self, x):
        token = ops.repeat(self.token, ops.shape(x)[0], axis=0)
        return ops.concatenate([token, x], axis=1)


@foreign(IMAGES, CLASSES)
def vision_transformer():
    images = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 6))(layers.Conv2D(6, 4, 4)(images))
    x = ClassToken()(x)
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 3)(y, y)
    x = x + layers.Dense(6)(layers.Dense(8, "gelu")(layers.LayerNormalization()(x)))
    return compiled(keras.Model(images, layers.Dense(3, "softmax")(x[:, 0])))


@foreign(IMAGES, CLASSES, feed=as_loader, backends=("torch",))
def vision_transformer_from_a_loader():
    return vision_transformer.build()


def mobile():
    images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, 2, activation="hard_swish")(images)
    x = layers.SeparableConv2D(4, 3, padding="same")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.GroupNormalization(2)(x))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(8, "sigmoid")(layers.Dense(2, "relu")(squeezed))
    x = layers.Flatten()(layers.Multiply()([x, gate]))
    return keras.Model(images, layers.Dense(3, "softmax", dtype="float32")(x))


@foreign(IMAGES, CLASSES)
def mobile_network():
    return compiled(mobile(), optimizer=keras.optimizers.SGD(0.1, nesterov=True, momentum=0.9))


@foreign(IMAGES, CLASSES, scale=2.0**15, tolerance=2e-2)
def mobile_network_in_float16():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return compiled(mobile())
    finally:
        keras.config.set_dtype_policy("float32")


class Sampling(layers.Layer):
    """A random code near its mean, and the price of being precise."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, moments):
        mean, log_variance = ops.split(moments, 2, axis=-1)
        distance = 1 + log_variance - mean**2 - ops.exp(log_variance)
        self.add_loss(-0.05 * ops.mean(distance))
        noise = keras.random.normal(ops.shape(mean), seed=self.seeds)
        return mean + ops.exp(0.5 * log_variance) * noise


def vae():
    x = images = keras.Input((8, 8, 1))
    x = layers.Flatten()(layers.Conv2D(4, 3, 2, activation="relu")(x))
    x = Sampling()(layers.Dense(4)(x))
    x = layers.Reshape((4, 4, 2))(layers.Dense(32, "relu")(x))
    x = layers.Conv2DTranspose(1, 3, 2, padding="same", activation="sigmoid")(x)
    return keras.Model(images, x)


@foreign(GREY, GREY)
def variational_autoencoder():
    return compiled(vae(), "binary_crossentropy")


class OwnStep(keras.Model):
    """Trains by a loss that is nowhere compiled, as the guides of Keras show it."""

    def reconstruction(self, images):
        found = self(images, training=True)
        return ops.mean((found - images) ** 2) + sum(self.losses)

    def train_step(self, images):
        images = images[0] if isinstance(images, tuple) else images
        weights = self.trainable_variables
        grads = gradients_of(lambda: self.reconstruction(images), weights)
        if BACKEND == "torch":
            grads = [grad.detach() for grad in grads]
        self.optimizer.apply_gradients(zip(grads, weights, strict=True))
        return {"grad": ops.norm(grads[-1])}


def of_reconstruction(model, x, y, weights):
    return model.reconstruction(x)


@foreign(GREY, loss=of_reconstruction, backends=("tensorflow", "torch"))
def variational_autoencoder_with_its_own_step():
    model = vae()
    return compiled(OwnStep(model.inputs[0], model.outputs[0]), None, "nadam")


@foreign(IMAGES, IMAGES)
def denoising_autoencoder():
    """All that Keras lets a layer bring along: noise, constraints, penalties."""
    options = {"padding": "same", "activation": "relu"}
    stack = [
        layers.Input((8, 8, 3)),
        layers.GaussianNoise(0.1),
        layers.SpectralNormalization(layers.Conv2D(4, 3, **options)),
        layers.Conv2D(4, 3, kernel_constraint="max_norm", **options),
        layers.ActivityRegularization(l1=1e-3),
        layers.UnitNormalization(),
        layers.UpSampling2D(2),
        layers.AveragePooling2D(2),
        layers.Conv2D(3, 3, padding="same", kernel_regularizer="l2"),
    ]
    return compiled(keras.Sequential(stack), "mae")


class Views(keras.Model):
    """Learns that two changed views of an image are alike (SimCLR)."""

    def __init__(self):
        super().__init__()
        self.change = keras.Sequential(
            [layers.RandomFlip(seed=1), layers.GaussianNoise(0.2, seed=2)]
        )
        self.encoder = encoder()

    def call(self, images, training=None):
        views = [self.change(images, training=training) for _ in range(2)]
        return [self.encoder(view, training=training) for view in views]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        one, other = (ops.normalize(view) for view in y_pred)
        likeness = ops.matmul(one, ops.transpose(other)) / 0.5
        labels = ops.arange(ops.shape(likeness)[0])
        losses = [
            keras.losses.sparse_categorical_crossentropy(labels, each, from_logits=True)
            for each in (likeness, ops.transpose(likeness))
        ]
        return ops.mean(losses[0] + losses[1])


# What the two views share cancels in this loss, and rounding is a larger part of the rest.
@foreign(IMAGES, tolerance=1e-4)
def contrastive_views():
    return compiled(Views(), None, keras.optimizers.Lamb())
