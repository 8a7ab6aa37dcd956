"""The weights that come with keraskip have the accuracy of their cards.

    python tests/benchmarks/shipped_weights.py [--manual-dir ARCHIVES] [--only resnet20]

reads the 10,000 test images through tensorflow-datasets, from the official archives in a folder or
from the network, and prints the accuracy of each network beside its card's. Fails if one differs by
more than 0.01 points, one image.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import keraskip
from keraskip.models.shipped import cards_of, networks_with

DATASET = "fashion_mnist"
BATCH = 500


def right_answers(model, images, labels, card):
    """Whether the model is right about each image; the card tells mean and deviation."""
    steps = keraskip.Preprocessing(card["mean"], card["deviation"])
    answers = model.predict(steps(images, (None, None)), batch_size=BATCH, verbose=0)
    return np.argmax(answers, axis=1) == labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manual-dir", help="Folder of the official archives.")
    parser.add_argument("--data-dir", help="Folder of prepared sets of tensorflow-datasets.")
    parser.add_argument("--only", nargs="*", default=networks_with(DATASET))
    options = parser.parse_args()
    from keraskip.data import load_data

    test = load_data(DATASET, manual_dir=options.manual_dir, data_dir=options.data_dir).test
    differ = []
    for network in options.only:
        card = cards_of(network)[DATASET]
        model = keraskip.build(network, weights=DATASET)
        reached = right_answers(model, test.images, test.labels, card).mean()
        print(f"{network}: {100 * reached:.2f} %, card {100 * card['accuracy']['test']:.2f} %")
        if round(abs(reached - card["accuracy"]["test"]) * len(test)) > 1:
            differ.append(network)
    if differ:
        sys.exit(f"another accuracy than the card's: {', '.join(differ)}")


if __name__ == "__main__":
    main()
