"""How tests train for which it is the same whether a step is compiled."""

import keras

# A few small steps take TensorFlow less time than to trace one. JAX is quicker with them compiled,
# and PyTorch compiles nothing.
UNCOMPILED = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}
