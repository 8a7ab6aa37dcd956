"""Networks for words, sound and films, as people write them."""

import keras
import pytest
from foreign import BACKEND, BATCH, RANDOM, ROWS, compiled, foreign, of_a_call_without_training
from keras import layers, ops

WORDS = RANDOM.integers(1, 20, (ROWS, 5))
WORDS[:, 3:] *= RANDOM.integers(0, 2, (ROWS, 1))  # some are shorter
CLASSES = RANDOM.integers(0, 3, ROWS)
SIGNAL = RANDOM.normal(size=(ROWS, 8, 3)).astype("float32")
FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@foreign(WORDS, CLASSES)
def bidirectional_lstm():
    x = words = keras.Input((None,), dtype="int32")
    x = layers.Embedding(20, 6, mask_zero=True)(x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(4, dropout=0.2))(x)
    return compiled(keras.Model(words, layers.Dense(3, "softmax")(x)), metrics=["accuracy"])


@foreign((WORDS, WORDS[:, :-1]), WORDS[:, 1:], (WORDS[:, 1:] > 0).astype("float32"))
def translator():
    """An encoder hands its state to a decoder; padding has no weight in the loss."""
    source, target = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    _, state = layers.GRU(5, return_state=True)(layers.Embedding(20, 5)(source))
    decoder = layers.GRU(5, return_sequences=True)
    x = decoder(layers.Embedding(20, 5)(target), initial_state=state)
    model = keras.Model([source, target], layers.Dense(20)(x))
    return compiled(model, FROM_LOGITS, "rmsprop", weighted_metrics=["accuracy"])


@foreign(SIGNAL, CLASSES)
def cells():
    """Recurrent cells of several kinds, one above the other."""
    stack = layers.RNN([layers.SimpleRNNCell(4), layers.GRUCell(4), layers.LSTMCell(3)])
    return compiled(keras.Sequential([layers.Input((8, 3)), stack, layers.Dense(3, "softmax")]))


@foreign((SIGNAL > 0.5) * SIGNAL, SIGNAL[..., :1])
def masked_series():
    stack = [
        layers.Input((None, 3)),
        layers.Masking(),
        layers.LSTM(4, return_sequences=True),
        layers.TimeDistributed(layers.Dense(4, "elu")),
        layers.TimeDistributed(layers.Dense(1)),
    ]
    return compiled(keras.Sequential(stack), "mse", keras.optimizers.SGD(0.01, clipnorm=1.0))


class Positions(layers.Layer):
    """Embeds words and their positions."""

    def __init__(self, words, length, width):
        super().__init__()
        # Not as small as by default, where a layer's normalisation makes much of rounding.
        initializer = keras.initializers.RandomNormal(stddev=0.5)
        self.words = layers.Embedding(words, width, initializer)
        self.positions = layers.Embedding(length, width, initializer)

    def call(self, x):
        return self.words(x) + self.positions(ops.arange(ops.shape(x)[1]))


def attention_block(x, dropout=0.1):
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(2, 3, dropout=dropout)(y, y, use_causal_mask=True)
    y = layers.Dense(12, "gelu")(layers.LayerNormalization()(x))
    return x + layers.Dropout(dropout)(layers.Dense(6)(y))


def transformer():
    words = keras.Input((4,), dtype="int32")
    x = attention_block(Positions(20, 4, 6)(words))
    return keras.Model(words, layers.Dense(20, dtype="float32")(layers.LayerNormalization()(x)))


@foreign(WORDS[:, :-1], WORDS[:, 1:])
def gpt():
    return compiled(transformer(), FROM_LOGITS, keras.optimizers.AdamW(1e-3))


@foreign(WORDS[:, :-1], WORDS[:, 1:], tolerance=2e-2)
def gpt_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return compiled(transformer(), FROM_LOGITS)
    finally:
        keras.config.set_dtype_policy("float32")


class Tied(keras.Model):
    """The words' embedding is the last layer, too."""

    def __init__(self):
        super().__init__()
        self.embedding = layers.Embedding(20, 6)
        self.mixer = layers.Dense(6, "tanh")

    def call(self, x):
        hidden = self.mixer(ops.cumsum(self.embedding(x), axis=1))
        return ops.matmul(hidden, ops.transpose(self.embedding.embeddings))


@foreign(WORDS[:, :-1], WORDS[:, 1:], loss=of_a_call_without_training)
def tied_embedding():
    return compiled(Tied(), FROM_LOGITS, "adagrad")


HUB = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}


def keras_hub():
    reason = "keras-hub brings 250 MB; `pip install keras-hub` adds this test"
    return pytest.importorskip("keras_hub", reason=reason)


@foreign(
    {"token_ids": WORDS, "segment_ids": WORDS % 2, "padding_mask": (WORDS > 0).astype("int32")},
    CLASSES,
)
def bert():
    hub = keras_hub()
    backbone = hub.models.BertBackbone(20, **HUB, max_sequence_length=5)
    model = hub.models.BertTextClassifier(backbone, num_classes=3)
    return compiled(model, FROM_LOGITS, "adam")


@foreign({"token_ids": WORDS, "padding_mask": (WORDS > 0).astype("int32")}, WORDS, WORDS > 0)
def gpt2():
    hub = keras_hub()
    backbone = hub.models.GPT2Backbone(20, **HUB, max_sequence_length=5)
    return compiled(hub.models.GPT2CausalLM(backbone), FROM_LOGITS, "adam")


@foreign(SIGNAL, SIGNAL[..., 0])
def wavenet():
    signal, skips = keras.Input((8, 3)), []
    x = layers.Conv1D(4, 1)(signal)
    for rate in 1, 2, 4:
        options = {"padding": "causal", "dilation_rate": rate}
        gate = layers.Conv1D(4, 2, activation="sigmoid", **options)(x)
        y = layers.Multiply()([layers.Conv1D(4, 2, activation="tanh", **options)(x), gate])
        skips.append(layers.Conv1D(4, 1)(y))
        x = layers.Add()([x, layers.Conv1D(4, 1)(y)])
    y = layers.Conv1D(1, 1)(layers.ReLU()(layers.Add()(skips)))
    return compiled(keras.Model(signal, layers.Reshape((8,))(y)), "huber")


@foreign(SIGNAL, RANDOM.integers(1, 5, (ROWS, 3)))
def speech():
    """Letters of an unknown alignment."""
    stack = [
        layers.Input((8, 3)),
        layers.Conv1D(6, 3, padding="same", activation="relu"),
        layers.GRU(6, return_sequences=True),
        layers.Dense(6),
    ]
    return compiled(keras.Sequential(stack), keras.losses.CTC())


@foreign(RANDOM.normal(size=(ROWS, 3, 5, 5, 1)).astype("float32"), CLASSES)
def film():
    stack = [
        layers.Input((3, 5, 5, 1)),
        layers.ConvLSTM2D(2, 3, return_sequences=True),
        layers.Conv3D(2, 2, activation="relu"),
        layers.GlobalMaxPooling3D(),
        layers.Dense(3, "softmax"),
    ]
    return compiled(keras.Sequential(stack))


if BACKEND == "tensorflow":
    import tensorflow as tf

    class BagOfWords(keras.Model):
        """Takes sentences of any length, without padding."""

        def __init__(self):
            super().__init__()
            self.embedding = layers.Embedding(20, 6)
            self.head = layers.Dense(3, "softmax")

        def call(self, words):
            vectors = tf.ragged.map_flat_values(self.embedding, words)
            return self.head(tf.reduce_mean(vectors, axis=1))

    def ragged_batches(x, y, _):
        data = tf.data.Dataset.from_tensor_slices((x, y))
        return {"x": data.ragged_batch(BATCH)}

    @foreign(
        tf.RaggedTensor.from_tensor(WORDS, padding=0),
        CLASSES,
        feed=ragged_batches,
        loss=of_a_call_without_training,
        backends=("tensorflow",),
    )
    def ragged():
        return compiled(BagOfWords(), optimizer="sgd")
