"""Classifies for `keraskip predict`, by an artefact, a named network or a trained one."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from keraskip.cli.sources import check_source, model_of, parted
from keraskip.cli.terminal import import_keras_quietly

# The best classes of an image file with their scores, the best first: as many as asked for.
Classify: TypeAlias = Callable[[Path, int], list[tuple[str, float]]]


def classifier_of(source: str, trust: bool = False) -> Classify:
    """The classifier that a folder, a .keras file or NAME:WEIGHTS stands for.

    Args:
        source: the folder, file or name.
        trust: whether code in a .keras file may run.

    Raises:
        ValueError: for another source, weights that the network cannot take, a network that gives
            no scores, and weights whose preprocessing is not known.
    """
    if source.endswith(".keras") and Path(source).is_file():
        return _of_network(source, None, trust)
    if Path(source).exists():
        from keraskip.export.artefact.opened import Artefact

        return Artefact(source).best
    name, weights = parted(source)
    if not weights:
        raise ValueError(f"{_rule(name)}. Received: {source}, which does not exist")
    check_source(name, weights)
    return _of_network(name, weights)


def _rule(name: str) -> str:
    """The rule for a source of `predict`, with weights of this network if there are some."""
    from keraskip.models.available import weights_of
    from keraskip.models.zoo import list_models

    known = weights_of(name) if name in list_models() else ()
    example = f"{name}:{known[0]}" if known else "resnet50:imagenet"
    return (
        "predict takes a folder that `keraskip export` wrote, a .keras file, or NAME:WEIGHTS, "
        f"such as {example}"
    )


def _of_network(network: str, weights: str | None, trust: bool = False) -> Classify:
    """Classifies with a model of Keras."""
    import_keras_quietly()
    import keras

    from keraskip.export.artefact.pictures import best_classes, read_picture
    from keraskip.export.network.contract import contract_of
    from keraskip.export.network.preprocessing import Preprocessing
    from keraskip.models.origin import origin_of

    model, _, steps = model_of(network, weights, trust)
    origin = origin_of(model)
    if steps is None and origin:
        steps = Preprocessing.of_model(model)
    contract = contract_of(model)
    shape = contract.image
    if shape is None or contract.classes is None:
        raise ValueError(
            "predict needs a network whose only input is an image, and whose only output is one "
            "score for each class. "
            f"Received: {'; '.join(map(str, (*contract.inputs, *contract.outputs)))}"
        )
    if steps is None:
        raise ValueError(
            "It must be known how images are prepared for these weights: a run folder around the "
            "file says so, an artefact exported with preprocessing=, or the name of published "
            "weights as in NAME:WEIGHTS, such as resnet20:fashion_mnist. "
            f"Received: {weights or network}"
        )
    names = origin.class_names if origin else None

    def best(file: Path, top_k: int) -> list[tuple[str, float]]:
        images = read_picture(file, shape, steps)
        # A model may want its one input in a list or a dict.
        inputs = keras.tree.pack_sequence_as(model.input, [images])
        scores = keras.ops.convert_to_numpy(model(inputs, training=False))
        return best_classes(scores[0], names, top_k)

    return best
