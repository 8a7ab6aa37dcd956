"""The line that makes an output anew, of the class of layer that is there."""

from keraskip.analysis.evidence import Evidence
from keraskip.analysis.heads import Head

# Layers without weights of their own.
ACTIVATIONS = ("Activation", "Softmax", "ReLU", "LeakyReLU", "ELU")


def head_line(evidence: Evidence, head: Head, units: int, activation: str = "") -> str:
    """How to make the output with these units and this activation; none for `""`."""
    kind = head.kind
    if kind in ACTIVATIONS:
        return _of_an_activation(head, units, activation)
    if "Conv" in kind:
        return _of_a_convolution(evidence, head, units, activation)
    return f"`keras.layers.Dense({units}{_as_argument(activation)})`"


def _of_an_activation(head: Head, units: int, activation: str) -> str:
    changed = f"`{units}` units in the layer before it" if units != head.units else ""
    own = f'`keras.layers.Activation("{activation or "linear"}")` in place of the layer {head.name}'
    return f"{changed}, and {own}" if changed else own


def _of_a_convolution(evidence: Evidence, head: Head, units: int, activation: str) -> str:
    """A whole line where each position is by itself; else the settings that change."""
    weights = evidence.run.weights
    here = weights["layer"].str.split("/").str[-1] == head.name.split("/")[-1]
    shapes = weights["shape"][here & (weights["role"] == "kernel")]
    size = set(shapes.iloc[0][:-2]) if len(shapes) else set()
    settings = f"{units}, 1{_as_argument(activation, named=True)}"
    if size == {1}:
        return f"`keras.layers.{head.kind}({settings})`"
    changes = f'filters={units}, activation="{activation or "linear"}"'
    return f"the `keras.layers.{head.kind}` that is there, given `{changes}`,"


def _as_argument(activation: str, named: bool = False) -> str:
    name = "activation=" * named
    return f', {name}"{activation}"' if activation else ""
