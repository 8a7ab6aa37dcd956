"""What a small training is made of. The defaults are sound; nothing here loads a framework."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """A training. The defaults are sound; a fault or a remedy is another value.

    Attributes:
        family: `dense`, `conv`, `residual`, `rnn`, `transformer`, `autoencoder`, `unet`, `gan`,
            `siamese`, `multi` (two outputs) or `transfer`.
        depth: number of hidden layers, of blocks in a transformer.
        units: their width.
        initializer: of the hidden kernels; a number is the standard deviation of normal ones.
        bad_layer: a hidden layer, and the standard deviation of its kernel.
        dead_layer: a hidden layer whose bias begins with -1e4.
        cut: a hidden layer behind which no gradient goes back.
        head: units and activation of the first output; None for what the task needs.
        task: what is learned, a key of `TASKS`.
        loss: of the first output; None for what the task needs.
        optimizer: the expression that makes it.
        scale: a factor for the inputs, which lie between 0 and 1.
        shift: what is added to the targets of a regression.
        shuffled: the share of labels that belong to other samples.
        broken_step: a step with NaN in its inputs.
        jump: at half of the epochs, the rate is multiplied by this.
        penalty: L2 on the hidden kernels.
        loss_weight: a factor for the loss.
        plain: whether a transformer has neither sums nor normalisation, a U-Net no long skips.
        momentum: of the moving averages of a normalisation; 0.99 is that of Keras.
        cell: the recurrent layer.
        both_ways: whether each recurrent layer has a second one beside it that goes backwards.
        steps: time steps of the task `first`.
        probed: whether the recorder of a recurrent network gets a probe.
        base: whether the base of a transfer is `frozen`, `trains`, or is `dead`.
        drawn: the seed with which numpy draws the first weights, the same on every backend; None
            for what Keras draws.
        code: lines that change `x`, `y` or `optimizer` before the training.
        model_code: a line that makes another `model` of the compiled one.
    """

    family: str = "dense"
    depth: int = 2
    units: int = 32
    activation: str = "relu"
    initializer: object = "he_normal"
    bias: float = 0.0
    bad_layer: tuple | None = None
    dead_layer: int | None = None
    cut: int | None = None
    head: tuple | None = None
    head_bias: float = 0.0
    head_initializer: str = "glorot_uniform"
    task: str = "digits"
    loss: object = None
    optimizer: str = "keras.optimizers.SGD(0.1)"
    epochs: int = 8
    scale: float = 1.0
    shift: float = 0.0
    shuffled: float = 0.0
    broken_step: int | None = None
    jump: float = 1.0
    penalty: float = 0.0
    policy: str = "float32"
    loss_weight: float = 1.0
    normalised: bool = False
    momentum: float = 0.99
    dropout: float = 0.0
    skips: bool = False
    plain: bool = False
    cell: str = "SimpleRNN"
    both_ways: bool = False
    steps: int = 150
    probed: bool = True
    base: str = "frozen"
    drawn: int | None = None
    code: str = ""
    model_code: str = ""


# Tasks whose answers are classes.
ACCURATE = ("digits", "binary", "rare", "pairs")
# The outputs of each task: units, activation and loss.
CLASSES = (10, "softmax", "sparse_categorical_crossentropy")
BINARY, NUMBER = (1, "sigmoid", "binary_crossentropy"), (1, None, "mse")
TASKS = {
    "digits": [CLASSES],
    "binary": [BINARY],
    "rare": [BINARY],
    "pairs": [BINARY],
    "regression": [NUMBER],
    "first": [NUMBER],
    "rebuild": [(64, None, "mse")],
    "denoise": [NUMBER],
    "both": [CLASSES, NUMBER],
    "points": [],
}


def outputs_of(recipe):
    """Units, activation and loss of each output."""
    outputs = list(TASKS[recipe.task])
    if outputs:
        units, activation, loss = outputs[0]
        if recipe.family == "unet":
            units = 1
        outputs[0] = (*(recipe.head or (units, activation)), recipe.loss or loss)
    return outputs
