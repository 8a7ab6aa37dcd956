import keras
from sklearn.datasets import load_digits

import keraskip

x, y = load_digits(return_X_y=True)
images = x[:32].reshape(-1, 8, 8, 1) / 16  # one batch, so one step

# --8<-- [start:record]
small = {"input_shape": (8, 8, 1)}
networks = {
    "plain20": lambda: keraskip.build_plain(20, **small),
    "plain56": lambda: keraskip.build_plain(56, **small),
    "resnet56": lambda: keraskip.build_resnet(56, **small),
    "preact56": lambda: keraskip.build_resnet(56, variant="preact", **small),
    "densenet40": lambda: keraskip.build_densenet(40, growth_rate=6, **small),
}
for name, build in networks.items():
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.SGD(0.001), "sparse_categorical_crossentropy", run_eagerly=True)
    recorder = keraskip.GradientRecorder(f"runs/{name}", verbose=0)
    model.fit(images, y[:32], verbose=0, callbacks=[recorder])

for name in "resnet56", "preact56", "densenet40":
    comparison = keraskip.compare("runs/plain20", "runs/plain56", f"runs/{name}")
    comparison.save(f"{name}.svg")
# --8<-- [end:record]
keraskip.compare("runs/plain20", "runs/plain56").save("plain.svg")
