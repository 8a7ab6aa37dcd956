"""The reader of models: depths counted by hand, calls in order, and no trace left in a layer."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from keraskip import anatomy, build_densenet
from keraskip.graph import depths, has_kernel, read, trace, weight_places

BACKEND = keras.backend.backend()


def dense(name, units=4, **options):
    return layers.Dense(units, name=name, **options)


def vector(size=4):
    return keras.Input((size,))


def chain():
    return keras.Sequential([vector(), dense("a"), layers.BatchNormalization(name="n"), dense("b")])


def residual():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    z = layers.Conv2D(4, 3, padding="same", name="branch")(y)
    y = layers.Conv2D(4, 1, name="shortcut")(y) + layers.Conv2D(4, 1, name="end")(z)
    return keras.Model(x, dense("head")(layers.GlobalAveragePooling2D()(y)))


def parallel():
    x = vector()
    short, long = dense("short")(x), dense("long2")(dense("long1")(x))
    return keras.Model(x, dense("head")(layers.concatenate([short, long])))


def nested():
    inner = keras.Sequential([vector(), dense("in1"), dense("in2")], name="inner")
    x = vector()
    return keras.Model(x, dense("head")(inner(dense("first")(x))))


def sequential_in_sequential():
    inner = keras.Sequential([dense("in1"), dense("in2")])
    return keras.Sequential([vector(), dense("first"), inner, dense("head")])


def towers():
    """Two nested networks side by side, not end to end."""
    left = keras.Sequential([vector(), dense("l1"), dense("l2"), dense("l3")], name="left")
    right = keras.Sequential([vector(), dense("r1")], name="right")
    one, other = vector(), vector()
    joined = layers.concatenate([left(one), right(other)])
    return keras.Model([one, other], dense("head")(joined))


def siamese():
    """Shared weights lie where they are used first."""
    encoder = keras.Sequential([vector(), dense("e1"), dense("e2")], name="encoder")
    one, other = vector(), vector()
    difference = layers.subtract([encoder(one), encoder(other)])
    return keras.Model([one, other], dense("head")(difference))


def shared_in_a_row():
    x, again = vector(), dense("again")
    return keras.Model(x, dense("head")(again(again(again(x)))))


class Stack(layers.Layer):
    """Layers in a list, called from the first or from the last one on."""

    def __init__(self, count, activation=None, backwards=False, **options):
        super().__init__(**options)
        self.stack = [dense(f"d{number}", activation=activation) for number in range(1, count + 1)]
        self.backwards = backwards

    def call(self, x):
        for layer in reversed(self.stack) if self.backwards else self.stack:
            x = layer(x)
        return x


def composite():
    """Layers that contain layers, two of them in a row."""
    x = vector()
    two = Stack(3, name="two")(Stack(3, name="one")(x))
    return keras.Model(x, dense("head")(two))


def composite_in_composite():
    class Outer(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.after, self.inner = dense("after"), Stack(2, backwards=True, name="inner")

        def call(self, x, training=None):
            return self.after(ops.relu(self.inner(x)) + x)

    x = vector()
    return keras.Model(x, dense("head")(Outer(name="outer")(x)))


def composite_of_a_model():
    class Outer(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.model = keras.Sequential([vector(), dense("m1"), dense("m2")], name="model")

        def call(self, x):
            return self.model(self.model(x))

    x = vector()
    return keras.Model(x, dense("head")(Outer(name="outer")(x)))


def own_kernel():
    class Mixing(layers.Layer):
        def build(self, shape):
            self.mixing = self.add_weight(shape=(shape[-1], shape[-1]), name="mixing")
            self.shift = self.add_weight(shape=(shape[-1],), name="shift")

        def call(self, x):
            return ops.matmul(x, self.mixing) + self.shift

    x = vector()
    return keras.Model(x, dense("head")(Mixing(name="own")(dense("first")(x))))


def tied():
    """A second layer that uses the matrix of the first one, transposed."""

    class Tied(layers.Layer):
        def __init__(self, other, **options):
            super().__init__(**options)
            self.other = other

        def call(self, x):
            return ops.matmul(x, ops.transpose(self.other.kernel))

    x, encoder = vector(6), dense("encoder", 3)
    code = dense("code", 3)(encoder(x))
    return keras.Model(x, dense("head")(Tied(encoder, name="tied")(code)))


def frozen():
    model = chain()
    model.layers[0].trainable = False
    return model


def reverse_model(**options):
    class Reverse(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = dense("head")
            self.stack = [dense(f"d{number}", **options) for number in range(1, 5)]

        def call(self, x):
            for layer in self.stack[::-1]:
                x = layer(x)
            return self.head(x)

    return Reverse()


def reverse():
    model = reverse_model()
    model(np.ones((2, 4)))
    return model


def dictionary():
    """A subclassed model with branches in a dict, joined by operations."""

    class Branches(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = dense("head")
            self.branches = {"deep": [dense("b1"), dense("b2")], "flat": [dense("c1")]}

        def call(self, x, training=None):
            ends = []
            for branch in self.branches.values():
                y = x
                for layer in branch:
                    y = ops.tanh(layer(y))
                ends.append(y)
            return self.head(ops.concatenate(ends, -1))

    model = Branches()
    model(np.ones((2, 4)))
    return model


def unknown_operations():
    """A subclassed model whose operations symbolic tensors do not survive: the order of calls."""
    model = reverse_model()
    call = model.call
    model.call = lambda x: call(raw_identity(x))
    model(np.ones((2, 4)))
    return model


def raw_identity(x):
    """An operation of the backend, not of Keras."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.identity(x)
    if BACKEND == "jax":
        import jax

        return jax.lax.optimization_barrier(x)
    import torch

    return torch.clone(x)


def embedding():
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, name="words")(tokens)
    return keras.Model(tokens, dense("head")(layers.PReLU(name="slope")(dense("first")(x))))


def lstm():
    """Two kernels, one layer; time does not count."""
    x = keras.Input((5, 3))
    y = layers.GRU(4, name="upper")(layers.LSTM(4, return_sequences=True, name="lower")(x))
    return keras.Model(x, dense("head")(y))


def stacked_cells():
    x = keras.Input((5, 3))
    cells = [layers.SimpleRNNCell(4, name="c1"), layers.SimpleRNNCell(4, name="c2")]
    return keras.Model(x, dense("head")(layers.RNN(cells, name="rnn")(x)))


def bidirectional():
    x = keras.Input((5, 3))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="one"), name="both")(x)
    return keras.Model(x, dense("head")(layers.GRU(4, name="next")(y)))


def attention():
    """Query, key and value side by side, then the output."""
    x = keras.Input((5, 4))
    attention = layers.MultiHeadAttention(2, 2, name="att")
    y = layers.LayerNormalization(name="norm")(x + attention(x, x))
    return keras.Model(x, dense("head")(dense("feed")(y)))


def cross_attention():
    """The query comes from a deeper place than key and value."""
    x, memory = keras.Input((5, 4)), keras.Input((3, 4))
    y = layers.MultiHeadAttention(1, 4, name="att")(dense("q2")(dense("q1")(x)), memory)
    return keras.Model([x, memory], dense("head")(y))


def time_distributed():
    frame = keras.Input((8, 8, 1))
    y = layers.Conv2D(2, 3, name="c2")(layers.Conv2D(2, 3, name="c1")(frame))
    cnn = keras.Model(frame, dense("code")(layers.Flatten()(y)), name="cnn")
    video = keras.Input((3, 8, 8, 1))
    y = layers.TimeDistributed(cnn, name="each")(video)
    return keras.Model(video, dense("head")(layers.LSTM(4, name="over")(y)))


def separable():
    x = keras.Input((8, 8, 3))
    y = layers.SeparableConv2D(4, 3, name="s")(layers.DepthwiseConv2D(3, name="d")(x))
    return keras.Model(x, dense("head")(layers.Flatten()(y)))


def spectral():
    x = vector()
    y = layers.SpectralNormalization(dense("inner"), name="wrapped")(dense("first")(x))
    return keras.Model(x, dense("head")(y))


def lora():
    model = chain()
    model.layers[0].enable_lora(2)
    return model


def u_net():
    x = keras.Input((8, 8, 1))
    convolve = lambda name, **more: layers.Conv2D(2, 3, padding="same", name=name, **more)  # noqa: E731
    high = convolve("down1")(x)
    low = convolve("down2", strides=2)(high)
    low = convolve("bottom")(low)
    up = layers.Conv2DTranspose(2, 2, strides=2, name="up")(low)
    return keras.Model(x, convolve("out")(layers.concatenate([high, up])))


def two_heads():
    x = vector()
    h = dense("trunk")(x)
    return keras.Model(x, [dense("main")(dense("deep")(h)), dense("aux")(h)])


def sub_networks():
    """As in a GAN: networks of one model that never calls them; one after the other as made."""

    class Parts(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([vector(), dense("g1"), dense("g2")], name="gen")
            self.critic = keras.Sequential([vector(), dense("d1")], name="dis")

    return Parts()


def efficient_dense():
    options = {"input_shape": (8, 8, 1), "memory_efficient": True}
    return build_densenet(10, 4, bottleneck=True, compression=0.5, **options)


class Calling(layers.Layer):
    """A layer of these layers, called by a function."""

    def __init__(self, call, **inside):
        super().__init__()
        for name, layer in inside.items():
            setattr(self, name, layer)
        self.calls, self.call_inside = 0, call

    def call(self, x):
        self.calls += 1
        return self.call_inside(self, x)


def around(call, **inside):
    x = vector()
    return keras.Model(x, dense("head")(Calling(call, **inside)(x)))


def nested_with_a_mask():
    inner_input = keras.Input((5, 4))
    inner = keras.Model(inner_input, dense("inner")(inner_input), name="inner_model")
    x, mask = keras.Input((5, 4)), keras.Input((5,), dtype="bool")
    sides = dense("left")(x) + dense("right")(x)
    with warnings.catch_warnings():
        # Keras says that no layer uses the mask.
        warnings.simplefilter("ignore", UserWarning)
        return keras.Model([x, mask], dense("head")(inner(sides, mask=mask)))


def nested_by_names():
    """A nested model whose inputs are given in another order, by their names."""
    z, a = keras.Input((4,), name="z"), keras.Input((4,), name="a")
    inner = keras.Model([z, a], dense("deep")(dense("of_z")(z) + a), name="inner_model")
    u, v = vector(), vector()
    joined = inner({"z": u, "a": dense("before_a2")(dense("before_a1")(v))})
    return keras.Model([u, v], dense("head")(joined))


def output_aside():
    """A head inside of a layer, whose output the layer keeps to itself."""

    def call(self, x):
        h = self.trunk(x)
        self.aux_output = self.aux(h)
        return self.end(h)

    return around(call, trunk=dense("trunk"), aux=dense("aux"), end=dense("end"))


def output_on_the_way():
    """A layer that returns a tensor from the middle, too."""

    def call(self, x):
        h = self.first(x)
        return h, self.second(raw_identity(h))

    x = vector()
    middle, end = Calling(call, first=dense("first"), second=dense("second"))(x)
    return keras.Model(x, [dense("of_middle")(middle), dense("of_end")(end)])


def with_an_attribute_called_chain():
    return around(lambda self, x: self.chain(x), chain=keras.Sequential([dense("c1"), dense("c2")]))


# The model, the depth of each of its layers (or weights) by a part of their path, and how its
# order is known.
GRAPH, CALLS, CREATION = "graph", "calls", "creation"
CASES = {
    chain: ({"a": 1, "n": 1, "b": 2}, GRAPH),
    residual: ({"stem": 1, "branch": 2, "shortcut": 2, "end": 3, "head": 4}, GRAPH),
    parallel: ({"short": 1, "long1": 1, "long2": 2, "head": 3}, GRAPH),
    nested: ({"first": 1, "in1": 2, "in2": 3, "head": 4}, GRAPH),
    sequential_in_sequential: ({"first": 1, "in1": 2, "in2": 3, "head": 4}, GRAPH),
    towers: ({"l1": 1, "l2": 2, "l3": 3, "r1": 1, "head": 4}, GRAPH),
    siamese: ({"e1": 1, "e2": 2, "head": 3}, GRAPH),
    shared_in_a_row: ({"again": 1, "head": 4}, GRAPH),
    composite: (
        {"one/d1": 1, "one/d2": 2, "one/d3": 3, "two/d1": 4, "two/d2": 5, "two/d3": 6, "head": 7},
        GRAPH,
    ),
    composite_in_composite: ({"d2": 1, "d1": 2, "after": 3, "head": 4}, GRAPH),
    composite_of_a_model: ({"m1": 1, "m2": 2, "head": 5}, GRAPH),
    own_kernel: ({"first": 1, "mixing": 2, "shift": 2, "head": 3}, GRAPH),
    tied: ({"encoder": 1, "code": 2, "head": 4}, GRAPH),
    frozen: ({"n": 1, "b": 2}, GRAPH),
    reverse: ({"d4": 1, "d3": 2, "d2": 3, "d1": 4, "head": 5}, GRAPH),
    dictionary: ({"b1": 1, "b2": 2, "c1": 1, "head": 3}, GRAPH),
    unknown_operations: ({"d4": 1, "d3": 2, "d2": 3, "d1": 4, "head": 5}, CALLS),
    embedding: ({"words": 0, "first": 1, "slope": 1, "head": 2}, GRAPH),
    lstm: ({"lower": 1, "upper": 2, "head": 3}, GRAPH),
    stacked_cells: ({"c1": 1, "c2": 2, "head": 3}, GRAPH),
    bidirectional: ({"forward_one": 1, "backward_one": 1, "next": 2, "head": 3}, GRAPH),
    attention: (
        {
            "query": 1,
            "key": 1,
            "value": 1,
            "attention_output": 2,
            "norm": 2,
            "feed": 3,
            "head": 4,
        },
        GRAPH,
    ),
    cross_attention: (
        {"q1": 1, "q2": 2, "query": 3, "key": 1, "value": 1, "attention_output": 4, "head": 5},
        GRAPH,
    ),
    time_distributed: ({"c1": 1, "c2": 2, "code": 3, "over": 4, "head": 5}, GRAPH),
    separable: ({"d": 1, "s": 2, "head": 3}, GRAPH),
    spectral: ({"first": 1, "inner": 2, "head": 3}, GRAPH),
    lora: ({"lora_kernel_a": 1, "lora_kernel_b": 1, "n": 1, "b": 2}, GRAPH),
    u_net: ({"down1": 1, "down2": 2, "bottom": 3, "up": 4, "out": 5}, GRAPH),
    two_heads: ({"trunk": 1, "deep": 2, "main": 3, "aux": 2}, GRAPH),
    sub_networks: ({"g1": 1, "g2": 2, "d1": 3}, CREATION),
    nested_with_a_mask: ({"left": 1, "right": 1, "inner": 2, "head": 3}, GRAPH),
    nested_by_names: (
        {"before_a1": 1, "before_a2": 2, "of_z": 1, "deep": 3, "head": 4},
        GRAPH,
    ),
    output_aside: ({"trunk": 1, "aux": 2, "end": 2, "head": 3}, CALLS),
    output_on_the_way: ({"first": 1, "second": 2, "of_middle": 2, "of_end": 3}, CALLS),
    with_an_attribute_called_chain: ({"c1": 1, "c2": 2, "head": 3}, GRAPH),
    efficient_dense: (
        {
            "stem_conv": 1,
            "block1_layer1_recomputed": (1, 2, 3),
            "transition1_recomputed": (3, 4),
            "block2_layer1_recomputed": (4, 5, 6),
            "transition2_recomputed": (6, 7),
            "block3_layer1_recomputed": (7, 8, 9),
            "head_norm": 9,
            "predictions": 10,
        },
        GRAPH,
    ),
}


def depths_by_path(model):
    calls, order = read(model)
    known = depths(calls).weights
    return {weight.path: known[id(weight)] for weight in model.trainable_variables}, order


def of(part, by_path):
    """The depths of the weights with this part in their path."""
    return {depth for path, depth in by_path.items() if f"/{part}/" in f"/{path}/"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_depths_are_those_counted_by_hand(case):
    by_hand, order = CASES[case]
    by_path, known_by = depths_by_path(case())
    for part, depth in by_hand.items():
        expected = set(depth) if isinstance(depth, tuple) else {depth}
        assert of(part, by_path) == expected, (part, by_path)
    assert known_by == order


def test_a_subclassed_model_has_the_depths_of_its_functional_twin():
    model = reverse()
    x = vector()
    twin, _ = depths_by_path(keras.Model(x, model.call(x)))
    assert depths_by_path(model)[0] == twin


def test_reading_leaves_no_trace():
    model = composite_in_composite()
    inner = model._flatten_layers()
    before = [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in inner]
    losses, weights = len(model.losses), model.get_weights()
    trace(model), read(model)
    assert [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in inner] == before
    assert len(model.losses) == losses
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_reading_counts_no_call():
    model = output_aside()
    (layer,) = (layer for layer in model.layers if isinstance(layer, Calling))
    calls, attributes = layer.calls, set(vars(layer))
    read(model)
    assert layer.calls == calls
    assert set(vars(layer)) == attributes


def test_a_constant_is_no_input_of_a_call():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, layers.Conv2D(4, 3, name="conv")(x) + ops.ones((4,)))
    _, conv, added = trace(model)
    assert [len(call.inputs) for call in (conv, added)] == [1, 1]
    assert anatomy(model).depth == 1


def test_calls_inside_stand_in_the_call_of_their_layer():
    (call,) = (call for call in trace(composite_in_composite()) if call.name == "outer")
    kernels = [inner for inner in call.inside if has_kernel(inner.layer)]
    assert [inner.name for inner in kernels] == ["outer/after"]
    (stack,) = (inner for inner in call.inside if inner.name == "outer/inner")
    assert [inner.name for inner in stack.inside] == ["outer/inner/d2", "outer/inner/d1"]


def test_a_call_that_fails_on_anything_symbolic_leaves_the_order_of_creation():
    class Refusing(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.first, self.second = dense("first"), dense("second")

        def build(self, shape):
            self.first.build(shape)
            self.second.build(shape)

        def compute_output_shape(self, shape):
            return shape

        def call(self, x):
            raise RuntimeError("not now")

    x = vector()
    by_path, order = depths_by_path(keras.Model(x, dense("head")(Refusing()(x))))
    assert order == CREATION
    assert of("first", by_path) == {1}
    assert of("second", by_path) == {2}
    assert of("head", by_path) == {3}


def test_a_build_config_of_another_kind_leaves_the_order_of_creation():
    model = reverse()
    model.get_build_config = lambda: {"input_shape": "ten numbers"}
    by_path, order = depths_by_path(model)
    assert order == CREATION
    assert of("head", by_path) == {1}


def test_a_model_that_cannot_be_read_has_depths_all_the_same(monkeypatch):
    model = towers()
    monkeypatch.setattr("keraskip.graph.places.read", lambda model: 1 / 0)
    known, ways, order = weight_places(model)
    assert ways == {}
    assert order == CREATION
    assert sorted(known[id(weight)] for weight in model.trainable_variables)[::2] == [1, 2, 3, 4, 5]


def test_freezing_changes_no_depth():
    model = residual()
    for layer in model.layers[:-1]:
        layer.trainable = False
    by_path, _ = depths_by_path(model)
    assert of("head", by_path) == {4}
    assert len(by_path) == 2
