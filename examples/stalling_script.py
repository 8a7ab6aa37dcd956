"""A training that stalls, and knows nothing of keraskip.

`keraskip record examples/stalling_script.py --epochs 8` says what is wrong and what to change. The
network has 20 dense layers with sigmoid, as one may have built it in 2006; handwritten digits.
"""

import argparse

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def build(depth: int) -> keras.Model:
    """A plain network: each layer has nothing but the one before it."""
    inputs = keras.Input((64,))
    x = inputs
    for _ in range(depth - 1):
        x = layers.Dense(64, "sigmoid")(x)
    return keras.Model(inputs, layers.Dense(10, "softmax")(x), name="digits")


def main() -> None:
    """Trains and says how well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--rate", type=float, default=0.05)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(0)
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, random_state=0)
    model = build(arguments.depth)
    optimizer = keras.optimizers.SGD(arguments.rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=arguments.epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on the test images: {accuracy:.2f}")


if __name__ == "__main__":
    main()
