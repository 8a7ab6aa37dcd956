import keras
import numpy as np
from fragments import Training, digits, finding, network


@finding("nothing to learn", shuffled=False)
def labels_of_other_samples(shuffled=True):
    """The inputs were shuffled, and the labels were not."""
    x, y = digits()
    if shuffled:
        x = x[np.random.default_rng(0).permutation(len(x))]
    return Training(network(), x, y, keras.optimizers.SGD(0.05))


@finding("unexplained")
def shuffled_with_a_loss_of_its_own():
    """The same with an own loss. Nobody knows what a constant guess has there."""

    def own(truth, answer):
        return keras.losses.sparse_categorical_crossentropy(truth, answer) + 2.0

    x, y = digits()
    x = x[np.random.default_rng(0).permutation(len(x))]
    return Training(network(initializer="glorot_uniform"), x, y, keras.optimizers.SGD(0.01), own)
