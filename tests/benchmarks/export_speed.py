"""How much faster a SavedModel is with its batch normalisation folded, beside other ways.

    python tests/benchmarks/export_speed.py [--network resnet56] [--batch 32] [--rounds 60]

All take the same batch in turns, in one process. Fails if the folded SavedModel is not at least 1.3
times as fast as the one that is not, or LiteRT takes more than 1.3 times as long as ONNX Runtime,
with as many threads. The folded one has constants as weights, so that one with constants that is
not folded, which no export writes, runs beside it and tells what each of the two brings.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keraskip
from keraskip.export.formats import savedmodel
from keraskip.export.network.contract import contract_of

TARGET = 1.3
MOST_OF_ONNX = 1.3


def of_constants(model, folder):
    options = savedmodel.Signatures(constant_weights=True)
    contract = contract_of(model)
    savedmodel.write(model, folder, contract, options)
    run = savedmodel.load(folder)
    return lambda images: run({contract.inputs[0].name: images})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet56", choices=keraskip.list_models())
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = keraskip.build(arguments.network)
    random = np.random.default_rng(0)
    x = random.normal(size=(arguments.batch, *model.input_shape[1:])).astype("float32")
    # Statistics of some images, so that nothing explodes and rounding does not grow.
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy")
    model.fit(x, random.integers(0, 10, len(x)), epochs=30, verbose=0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ways = {
            "SavedModel": keraskip.Artefact(
                keraskip.export_savedmodel(model, folder / "u", fold_batch_norm=False)
            ),
            "SavedModel, folded": keraskip.Artefact(
                keraskip.export_savedmodel(model, folder / "f")
            ),
            "constants, unfolded": of_constants(model, folder / "c"),
            "model.predict": lambda batch: model.predict(batch, verbose=0),
            "ONNX Runtime": keraskip.Artefact(keraskip.export_onnx(model, folder / "o")),
            "LiteRT": keraskip.Artefact(keraskip.export_litert(model, folder / "l")),
            "OpenVINO": keraskip.Artefact(keraskip.export_openvino(model, folder / "v")),
        }
        taken = {way: [] for way in ways}
        for number in range(arguments.rounds + 3):
            order = list(ways) if number % 2 else list(ways)[::-1]
            for way in order:
                begun = time.perf_counter()
                ways[way](x)
                taken[way].append(time.perf_counter() - begun)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {arguments.network}, batch "
          f"{arguments.batch}, {arguments.rounds} rounds")  # fmt: skip
    print(f"{'way':<20} {'median ms':>9} {'times as fast':>13} {'middle half':>15}")
    first = taken["SavedModel"][3:]
    for way, seconds in taken.items():
        ratios = [a / b for a, b in zip(first, seconds[3:], strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        middle = 1000 * statistics.median(seconds[3:])
        print(f"{way:<20} {middle:9.1f} {median:13.3f} {low:7.3f} – {high:5.3f}")
        if way == "SavedModel, folded":
            missed = median < TARGET
    lite = [a / b for a, b in zip(taken["LiteRT"][3:], taken["ONNX Runtime"][3:], strict=True)]
    low, median, high = statistics.quantiles(lite, n=4)
    print(f"LiteRT takes {median:.2f} times as long as ONNX Runtime ({low:.2f} to {high:.2f})")
    return bool(missed or median > MOST_OF_ONNX)


if __name__ == "__main__":
    sys.exit(main())
