import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
images = (x / 16).reshape(-1, 8, 8, 1)

# --8<-- [start:record]
for name, build in {"plain20": keraskip.build_plain, "resnet20": keraskip.build_resnet}.items():
    model = build(20, input_shape=(8, 8, 1), classes=10)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    recorder = keraskip.GradientRecorder(f"runs/{name}")
    model.fit(images, y, epochs=1, verbose=2, callbacks=[recorder])

comparison = keraskip.compare("runs/plain20", "runs/resnet20")
comparison.save("report.html")
# --8<-- [end:record]
comparison.save("two.svg")
