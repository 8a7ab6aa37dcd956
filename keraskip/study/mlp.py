"""A plain dense network, as people build who have read no paper on skips."""

from typing import Any

from keraskip.checks import check_choice, check_integer

NORMALIZATIONS = (None, "batch", "layer")


def build_mlp(
    input_shape: tuple[int, ...],
    classes: int,
    depth: int = 20,
    units: int = 64,
    activation: str = "tanh",
    kernel_initializer: Any = "glorot_uniform",
    normalization: str | None = None,
) -> Any:
    """`depth` dense layers, the output included, on the flattened input.

    Args:
        input_shape: of one sample.
        classes: number of classes.
        depth: number of layers with a kernel, at least 2.
        units: width of the hidden layers.
        activation: of the hidden layers.
        kernel_initializer: of the hidden layers.
        normalization: None, `"batch"` or `"layer"`, before each activation.

    Raises:
        ValueError: for another normalisation, or a depth below 2.
    """
    import keras
    from keras import layers

    check_integer("depth", depth, minimum=2)
    check_choice("normalization", normalization, NORMALIZATIONS)
    x = inputs = keras.Input(input_shape)
    x = layers.Flatten()(x)
    for number in range(1, depth):
        name = f"hidden_{number}"
        x = layers.Dense(units, kernel_initializer=kernel_initializer, name=name)(x)
        if normalization == "batch":
            x = layers.BatchNormalization(name=f"{name}_norm")(x)
        if normalization == "layer":
            x = layers.LayerNormalization(name=f"{name}_norm")(x)
        x = layers.Activation(activation, name=f"{name}_{activation}")(x)
    outputs = layers.Dense(classes, "softmax", name="predictions")(x)
    return keras.Model(inputs, outputs, name=f"mlp{depth}")
