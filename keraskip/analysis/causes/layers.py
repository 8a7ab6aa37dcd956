"""Causes that lie in single layers."""

import numpy as np

from keraskip.analysis.causes.level import level
from keraskip.analysis.causes.untrained import empty_input
from keraskip.analysis.evidence import Evidence
from keraskip.analysis.finding import Finding
from keraskip.analysis.profiles import SMALLEST, hidden_weights, log_rms_of
from keraskip.analysis.silence import Silence, lone_sample

# A drop of this many orders between neighbours, and this share of the whole fall, is one layer's.
DROP, DROP_SHARE = 2.0, 0.6
# Far above the smallest number of float32, 1.4e-45.
CLEARLY_ALIVE = 1e-20


def units_alike(evidence: Evidence) -> Finding | None:
    """Hidden layers whose units all begin alike, in a network that fails.

    In a network that may fail they count, too, if their kernels get gradients of exactly 0 in more
    than half of the late steps; or if two of them follow each other, with kernels other than 0 and
    no dropout: units with equal weights on both sides get equal gradients. Either way they stay
    alike.

    An output layer of zeros is fine: its units get different gradients from the labels. "Alike" is
    exact, so there is no limit to choose (Goodfellow et al. 2016, section 8.4).
    """
    outputs = {head.name for head in evidence.heads}
    weights = evidence.run.weights
    last = set(weights["layer"][weights["depth"] == weights["depth"].max()])
    found = evidence.run.info.get("alike") or []
    alike = [name for name in _by_depth(evidence, found) if name not in outputs | last]
    stay = evidence.may_fail and (_get_nothing(evidence, alike) or _are_in_a_row(evidence, alike))
    if not (alike and (evidence.fails or stay)):
        return None
    which = f"layer {alike[0]}" if len(alike) == 1 else f"{len(alike)} layers, {alike[0]} first,"
    return Finding(
        "units alike",
        f"All units of {which} begin with the same weights, and stay the same.",
        '`kernel_initializer="he_normal"`, or `"glorot_uniform"` with tanh',
        "Goodfellow et al. 2016, Deep Learning, section 8.4: initialisation breaks the symmetry",
        layers=tuple(alike),
        evidence={"layers": float(len(alike))},
    )


def _by_depth(evidence: Evidence, layers: list[str]) -> list[str]:
    """The layers from the input on, where their depth is known."""
    weights = evidence.run.weights
    names = weights["layer"].str.split("/").str[-1]
    depth = dict(zip(names[::-1], weights["depth"][::-1], strict=True))
    return sorted(layers, key=lambda name: depth.get(name, 0))


def _kernels_of(evidence: Evidence, layers: list[str]) -> np.ndarray:
    """The columns of their kernels, whether these ever got a gradient or not."""
    weights = evidence.run.weights
    is_kernel = (weights["shape"].map(len) > 1) & (weights["role"] != "bias")
    is_theirs = weights["layer"].str.split("/").str[-1].isin(layers)
    return np.flatnonzero(is_kernel & is_theirs)


def _get_nothing(evidence: Evidence, layers: list[str]) -> bool:
    """Whether the kernels of some layers, and there are some, get gradients of exactly 0 late."""
    silent = evidence.silent[evidence.late][:, _kernels_of(evidence, layers)]
    return bool(silent.size) and bool(silent.all(axis=1).mean() > 0.5)


def _are_in_a_row(evidence: Evidence, layers: list[str]) -> bool:
    """Whether two layers of equal weights follow each other; dropout would tell units apart.

    Residual branches may begin with kernels of zeros, and lie beside each other.
    """
    if any("Dropout" in kind for kind in evidence.run.info.get("kinds") or []):
        return False
    kernels = _kernels_of(evidence, layers)
    kernels = kernels[(evidence.run.weight_norm[:1][:, kernels] > 0).all(axis=0)]
    depth = np.unique(evidence.run.weights["depth"].to_numpy()[kernels])
    return bool((np.diff(depth) == 1).any())


def dead_layer(evidence: Evidence) -> Finding | None:
    """A hidden layer that lets no gradient pass while the layer behind it has one, in a network
    that may fail.

    In more than half of the late steps the gradient of its bias is exactly 0, and so are all
    biases below it (kernels count where no hidden layer has a bias). Some layer behind has a
    gradient with a norm above 1e-20: the smallest number of float32 is 1.4e-45, so the zeros are no
    underflow. "More than half" is a convention.

    Named is each bias that outweighs all that an input of unit size can add to it (Cauchy &
    Schwarz). Where none does, it is the layer whose bias has a root mean square above 1 and above 3
    times the median of the others, or else the deepest one.

    It is not said where a `stop_gradient` or the like cuts the gradient off, where a batch
    normalisation sees one sample at a time, where untrained layers in front answer 0, or where the
    run ends in NaN.
    """
    run = evidence.run
    # A fused ReLU turns NaN into 0.
    is_open = evidence.may_fail and evidence.learning.since is None
    dead = _stopped_at(evidence) if is_open and len(evidence.late) else []
    if not len(dead) or Silence(run).cut_off or lone_sample(run) or empty_input(evidence):
        return None
    columns = _culprits(evidence, np.asarray(dead))
    since = evidence.since(np.asarray(evidence.silent[:, columns].all(axis=1)))
    names = list(dict.fromkeys(map(evidence.layer_of, columns)))
    below = len({evidence.layer_of(other) for other in dead} - set(names))
    follow = "; the layers below only follow" if below else ""
    return Finding(
        "dead layer",
        f"{_said_of(evidence, np.asarray(dead), names, since)}{follow}.",
        _revive(evidence, since, _begun_alike(evidence, np.asarray(dead), names)),
        "Lu et al. 2019, Dying ReLU and Initialization",
        layers=tuple(names),
        steps=(since, int(run.steps[-1])),
        evidence={"silent_layers": float(below + len(names))},
    )


def _said_of(evidence: Evidence, dead: np.ndarray, names: list[str], since: int) -> str:
    """Which layer answers 0: the deepest one is known to. A bias alone has no sign in a record."""
    depth = evidence.run.weights["depth"].to_numpy()
    deepest = evidence.layer_of(dead[depth[dead].argmax()])
    said = f"{deepest} answers 0 to everything since step {since}"
    others = [name for name in names if name != deepest]
    if not others:
        return said
    which = f"{', '.join(others[:-1])} and {others[-1]}" if len(others) > 1 else others[0]
    if deepest in names:
        return f"{said}; {which} may be dead by {'themselves' if others[1:] else 'itself'}, too"
    return f"{said}; the reason may be the large bias of {which}"


def _stopped_at(evidence: Evidence) -> np.ndarray | list[int]:
    """The columns whose gradients are exactly 0 late, if all below them are, and none behind.

    Where layers below get a gradient, it has another way, such as around the branch of a head that
    is not trained. A signal that is nearly gone before it becomes 0 is an underflow.
    """
    run, late = evidence.run, evidence.late
    silent = evidence.silent[late].mean(axis=0) > 0.5
    depth = run.weights["depth"].to_numpy()
    # A kernel is silent, too, if its input is 0; a bias only if its own layer is.
    tells = run.weights["role"].isin(["bias", "beta"]).to_numpy()
    tells = tells if (tells & (depth < depth.max())).any() else np.ones_like(tells)
    dead = np.flatnonzero(silent & tells & (depth < depth.max()))
    if not len(dead):
        return []
    deepest = depth[dead].max()
    behind = np.flatnonzero(~silent & (depth > deepest))
    if not len(behind) or not silent[tells & (depth < deepest)].all():
        return []
    nearest = behind[depth[behind] == depth[behind].min()]
    strength = np.nan_to_num(run.grad_norm[late][:, nearest]).max()
    return dead if strength > CLEARLY_ALIVE else []


def _culprits(evidence: Evidence, dead: np.ndarray) -> np.ndarray:
    """The layers that may be dead by themselves, from the input on.

    They have a bias that outweighs all that inputs of unit size can add, or, where none has, a bias
    that has run away beside the kernel. Otherwise it is the deepest.
    """
    run = evidence.run
    heavy = dead[_outweighs(evidence, dead)]
    depth = run.weights["depth"].to_numpy()
    if len(heavy):
        return heavy[np.argsort(depth[heavy], kind="stable")]
    rms = run.weight_norm[evidence.late[-1]] / np.sqrt(run.weights["size"].to_numpy())
    size = np.nan_to_num(rms[dead].astype(float))
    if size.max(initial=0) > 3 * np.median(size) and size.max() > 1:
        return dead[[size.argmax()]]
    return dead[[depth[dead].argmax()]]


def _outweighs(evidence: Evidence, columns: np.ndarray) -> np.ndarray:
    """Whether each is a bias that no input of its layer with an RMS of 1 makes up for.

    A kernel adds at most its norm times that of the input (Cauchy & Schwarz).
    """
    weights = evidence.run.weights
    norms = evidence.run.weight_norm[evidence.late[-1]].astype(float)
    inputs = weights["shape"].map(lambda shape: np.prod(shape[:-1]) if len(shape) > 1 else 0)
    # Sums over the kernels of each layer, to be set against the norm of its bias.
    reach = (norms * np.sqrt(inputs)).groupby(weights["layer"]).sum()
    is_bias = (weights["role"] == "bias").to_numpy()[columns]
    most = reach[weights["layer"].iloc[columns]].to_numpy()
    # A layer without kernels has inputs that nothing is known of.
    return is_bias & (most > 0) & (norms[columns] > most)


def _begun_alike(evidence: Evidence, dead: np.ndarray, names: list[str]) -> list[str]:
    """The layers to blame, and dead ones whose bias begins as large: one argument made them all."""
    weights = evidence.run.weights.iloc[dead]
    size = evidence.run.weight_norm[0, dead] / np.sqrt(weights["size"].to_numpy())
    blamed = weights["layer"].isin(names).to_numpy()
    is_alike = (size > size[blamed].max(initial=0) / 2) & (weights["role"] == "bias").to_numpy()
    return list(dict.fromkeys(weights["layer"][blamed | is_alike]))


def _revive(evidence: Evidence, since: int, names: list[str]) -> str:
    if since == evidence.run.steps[0]:
        which = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        which = which if len(names) < 5 else f"{len(names)} layers from {names[0]} to {names[-1]}"
        return (
            f'begin {which} with other weights: `bias_initializer="zeros"`, '
            '`kernel_initializer="he_normal"`'
        )
    # Units that are centred answer to about half of the samples, so they stay alive.
    return level(evidence)


def one_bad_layer(evidence: Evidence) -> Finding | None:
    """A signal that drops at one layer and is level elsewhere, in a network that fails.

    In the first step the gradient falls by at least 2 orders of magnitude between two neighbours,
    by at least 60% of the whole range, and no other two neighbours differ by more than half as
    much. There are at least 4 hidden layers in a row, and no gradient among them is 0. 2 orders are
    the limit of the verdicts, and 60% is a convention.

    The first step shows it best: the layers above soon learn, and the profile changes. It is said
    as well where many steps leave it open whether the network learns.
    """
    if not (evidence.fails_or_leaves_it_open and len(evidence.sound)):
        return None
    columns = hidden_weights(evidence.run, evidence.verdict.signal)
    depth = evidence.run.weights["depth"].to_numpy()[columns]
    if len(np.unique(depth)) < 4:
        return None
    heights = log_rms_of(evidence.run, columns, evidence.sound[:1])[0]
    levels = np.unique(depth)
    profile = np.array([heights[depth == level].max() for level in levels])
    if 10 ** profile.min() <= SMALLEST:
        return None
    steps = np.diff(profile)
    index = int(steps.argmax())
    rest = np.delete(steps, index)
    drop = float(steps[index])
    if drop < DROP or np.abs(rest).max() > 0.5 * drop or drop < DROP_SHARE * np.ptp(profile):
        return None
    name = _narrow(evidence, columns, depth, levels[index], levels[index + 1])
    return Finding(
        "one bad layer",
        f"The signal drops {drop:.1f} orders at {name}; it is level elsewhere.",
        f'another initialisation and activation of {name}: `kernel_initializer="he_normal"`, '
        '`activation="relu"`',
        "Glorot & Bengio 2010, section 4.2: the variance is kept from layer to layer",
        layers=(name,),
        evidence={"orders": drop},
    )


def _narrow(evidence: Evidence, columns: np.ndarray, depth: np.ndarray, low: int, high: int) -> str:
    """The layer that the signal is lost in: the upper one if its kernel is small, else the lower.

    The signal below a layer is the one above times its kernel and the slope of the activation.
    """
    run = evidence.run
    kernels = evidence.kernels
    rms = run.weight_norm[evidence.early[0]][kernels] / np.sqrt(
        run.weights["size"].to_numpy()[kernels]
    )
    at = run.weights["depth"].to_numpy()[kernels]
    is_small = rms[at == high].max(initial=0) < 0.1 * np.median(rms)
    wanted = high if is_small else low
    return evidence.layer_of(columns[depth == wanted][0])
