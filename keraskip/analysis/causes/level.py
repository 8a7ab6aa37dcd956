"""What keeps a signal level over depth, and how far the kernels of a run begin from it."""

import numpy as np
import pandas as pd

from keraskip.analysis.causes.rates import with_sound_rate
from keraskip.analysis.evidence import Evidence

# Below this many layers in a row there is little to skip.
DEEP = 6
# He et al. 2016 have this momentum. With the 0.99 of Keras the moving averages lag hundreds of
# steps behind, and until then the answers outside of training are others.
NORMALIZATION = "keras.layers.BatchNormalization(momentum=0.9)"
# A kernel of zeros has no logarithm.
TINY_FACTOR = 1e-10


def level(evidence: Evidence) -> str:
    """What keeps a signal level over depth.

    Skips alone do not cure all: behind sigmoids hardly anything of the input is left for the
    identity to carry, and plain ReLU branches without normalisation add up and explode. He et al.
    2016 have all three: ReLU with its initialisation, normalisation, and an identity around it.
    """
    weights, rate = evidence.run.weights, with_sound_rate(evidence)
    if weights["role"].eq("recurrent_kernel").any():
        return (
            "`x = x + keras.layers.LayerNormalization()(layer(x))` around each hidden layer, with "
            f'`activation="tanh"`{rate}'
        )
    block = f"{NORMALIZATION}(layer(x))"
    is_deep = weights["depth"].nunique() > DEEP
    return (
        (f"`x = x + {block}` around" if is_deep else f"`x = {block}` for")
        + ' each hidden layer, with `activation="relu"` and `kernel_initializer="he_normal"` in it'
        + rate
    )


def sizes_at_start(evidence: Evidence) -> pd.Series:
    """How many times as large as He et al. 2015b ask for the hidden kernels begin, as log10.

    ReLU layers keep the size of a signal if the RMS of their kernels is sqrt(2 / inputs). Layers
    side by side count as one, so there is one number for each depth.
    """
    run, hidden = evidence.run, evidence.kernels
    depth = run.weights["depth"].to_numpy()
    hidden = hidden[depth[hidden] < depth.max(initial=0)]
    norms = run.weight_norm[:1, hidden].astype(float).sum(axis=0)
    usual = np.sqrt([2.0 * shape[-1] for shape in run.weights["shape"].iloc[hidden]])
    levels = np.log10(np.maximum(norms / usual, TINY_FACTOR))
    return pd.Series(levels).groupby(depth[hidden]).mean()
