"""The one reader of a Keras model: its calls in order, what is nested, and how deep weights lie.

**A layer has a kernel** if it multiplies its input by a matrix that it learns: dense, convolutional
and recurrent layers, and custom layers with a trainable weight of two axes or more. The weights of
embeddings, PReLU and normalisations are no kernels: they are looked up, or scale single elements.

**The depth of a call** is the number of layers with a kernel on the longest way from the input
through it, itself included: the count by which the papers name their networks. Two branches that
start at one tensor start at one depth. **The depth of a weight** is the depth of the first call of
the layer that owns it, so shared and tied weights lie where they are used first. Biases and the
weights of normalisations lie at the depth of the kernel before them.

Layers count as follows:

- a recurrent layer once, whatever the number of its kernels and of its time steps; in
  `RNN([cell, cell])` each cell once;
- `Bidirectional` once, since both directions start at one input; `TimeDistributed` as often as the
  layer inside of it;
- `MultiHeadAttention` twice: query, key and value side by side, then the output;
- any other layer, or subclassed model, that contains layers: as its `call` calls them.

Layers inside of others are read by calling `call` on symbolic tensors, which know where they come
from (`"graph"`). Where `call` uses operations that Keras does not know, its layers are watched
while shapes are computed (`"calls"`): a layer that gets an unknown tensor is taken to follow the
layer called before it. Where that fails too, layers follow in the order in which they were made
(`"creation"`).
"""

from keraskip.graph.calls import ORDERS, Call, read, trace, uses
from keraskip.graph.depth import Depths, depths
from keraskip.graph.kernels import has_kernel, holds_kernel
from keraskip.graph.places import Places, weight_places
from keraskip.graph.sizes import sizes
from keraskip.graph.walk import check_graph, has_graph, maker, nodes, walk

__all__ = [
    "ORDERS",
    "Call",
    "Depths",
    "Places",
    "check_graph",
    "depths",
    "has_graph",
    "has_kernel",
    "holds_kernel",
    "maker",
    "nodes",
    "read",
    "sizes",
    "trace",
    "uses",
    "walk",
    "weight_places",
]
