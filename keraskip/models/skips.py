"""Skip connections for any model: `add_skips`."""

import re
from collections.abc import Callable
from typing import Any

import keras

from keraskip.checks import check_choice, check_flag, check_integer, check_number
from keraskip.graph import check_graph
from keraskip.models.large_graphs import deep_graphs, uncollected
from keraskip.models.scopes import check_scopes
from keraskip.models.skip_plan import Plan
from keraskip.models.skip_table import nothing_to_do, table_of
from keraskip.models.stretches import Wish
from keraskip.models.twins import Copier

HOW = ("add", "concatenate")
PROJECT = (False, True, "A", "B")


@deep_graphs()
@uncollected()
def add_skips(
    model: keras.Model,
    every: int = 2,
    how: str = "add",
    scale: float | str | None = None,
    layers: str | Callable[[str], Any] | None = None,
    project: bool | str = False,
    preact: bool = False,
    verbose: bool = True,
) -> keras.Model:
    """A twin of your model with skip connections.

    Every stretch of `every` layers with a kernel whose input and output have one shape gets an
    identity skip, `x + block(x)`. The last layers, which make the output, get none. Skips and
    merges that the model has already stay as they are.

    The twin has variables of its own, with the names and the present values of the model's. So it
    starts where the model stands. What a stretch contains is said at the top of
    `keraskip/models/survey.py`: normalisation, activation and dropout behind its last layer are
    a part of it. A ReLU layer there comes behind the addition if the skip begins behind a ReLU,
    too: it leaves the identity as it is (He et al. 2015).

    Args:
        model: a functional model, or a Sequential one that knows its input shape; it is not
            changed. Models nested in it get skips inside, those without room for one count as
            layers.
        every: number of layers with a kernel that a skip spans: 2 as in He et al. 2015. A recurrent
            layer counts once, attention twice.
        how: `"add"`; or `"concatenate"` as in Huang et al. 2017, which makes the next layer wider.
            Its further weights get new values.
        scale: a number that multiplies each branch; or `"learned"`, a scalar that is learned and
            starts at 0 (Bachlechner et al. 2020, arXiv 2003.04887; De & Smith 2020, arXiv
            2002.10444). It is for networks without normalisation, in which a sum of many branches
            explodes. By default branches are added as they are.
        layers: the layers that may be part of a stretch: a regular expression to be found in the
            name, or a function from the name to True or False. A name in a nested model begins
            with the model's, as in `"encoder/dense_3"`. By default all.
        project: whether stretches that change the shape get a skip, too: `True` or `"B"` by a
            dense layer or a convolution of size 1, followed by normalisation if the branch ends
            with it; `"A"` by leaving out pixels and appending zero channels, which has no weights
            (He et al. 2015, section 3.3).
        preact: whether to add right behind the last layer with a kernel, before its normalisation
            and activation (He et al. 2016).
        verbose: whether to print a table of the stretches with a skip, and of those without one
            and why.

    Returns:
        A model of Keras' own layers, compiled like yours with a new optimizer. It saves,
        loads and exports like any other. With `how="add"` and neither `scale="learned"` nor
        projections it has the same weights.

    Raises:
        TypeError: for a model without a graph, such as a subclassed one, or an argument of another
            type.
        ValueError: for arguments outside the choices above, if no stretch can get a skip, for names
            that TensorFlow refuses, or for a layer that cannot be copied by its configuration, or
            a class of your own whose methods, such as `train_step`, the twin could not keep.

    Source: He et al. 2015 (arXiv 1512.03385); He et al. 2016 (arXiv 1603.05027).

    Example:

    >>> dense = [keras.layers.Dense(8, "tanh") for _ in range(8)]
    >>> model = keras.Sequential([keras.Input((4,)), *dense, keras.layers.Dense(2)])
    >>> twin = add_skips(model, verbose=False)
    >>> sum("add" in layer.name for layer in twin.layers)
    3
    """
    check_graph(model)
    check_scopes(model)
    wish = _checked(every, how, scale, layers, project, preact)
    check_flag("verbose", verbose)
    rows = Plan(model, wish).rows
    skips = {id(stretch.end): stretch for _, stretch in rows if not stretch.reason}
    if not skips:
        raise ValueError(nothing_to_do(model, rows, wish))
    copier = Copier(skips, wish)
    twin = copier.model(model)
    copier.take_values()
    if model.compiled:
        _compile_like(twin, model)
    if verbose:
        print(table_of(model, rows, wish))
    return twin


def _checked(every: Any, how: Any, scale: Any, layers: Any, project: Any, preact: Any) -> Wish:
    every = check_integer("every", every, minimum=1)
    check_choice("how", how, HOW)
    if isinstance(scale, str):
        check_choice("scale", scale, ("learned",))
    elif scale is not None:
        scale = check_number("scale", scale)
    check_choice("project", project, PROJECT)
    check_flag("preact", preact)
    if how == "concatenate" and (scale is not None or project):
        raise ValueError(
            "scale and project are for how='add'. "
            f"Received: how={how!r}, scale={scale!r}, project={project!r}"
        )
    kind = "B" if project is True else project or None
    return Wish(every, how, scale, kind, preact, _filter(layers))


def _filter(layers: Any) -> Callable[[str], Any]:
    """The choice of layers as a function."""
    if layers is None:
        return lambda name: True
    if callable(layers):
        return layers
    if not isinstance(layers, str):
        raise TypeError(
            f"layers must be a regular expression or a function. Received: layers={layers!r}"
        )
    try:
        return re.compile(layers).search
    except re.error as error:
        raise ValueError(
            f"layers must be a regular expression: {error}. Received: layers={layers!r}"
        ) from None


def _compile_like(twin: keras.Model, model: keras.Model) -> None:
    """Compiles the twin with the model's settings, a new optimizer and new metrics."""
    settings = dict(model._compile_config.config)
    settings["optimizer"] = _anew(model.optimizer)
    for name in ("metrics", "weighted_metrics"):
        settings[name] = keras.tree.map_structure(_anew, settings[name])
    twin.compile(**settings)


def _anew(one: Any) -> Any:
    """A new optimizer or metric with the settings of this one; anything else as it is."""
    has_state = isinstance(one, keras.Optimizer | keras.Metric)
    return type(one).from_config(one.get_config()) if has_state else one
