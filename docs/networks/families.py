"""What the pages on the networks show: the code of each part, and what it prints between marks."""

import keras
from sklearn.datasets import load_digits

import keraskip

print("--8<-- [start:zoo]")
model = keraskip.build_resnet(
    20, normalization="group", stochastic_depth_rate=0.5, input_shape=(28, 28, 1)
)
print(keraskip.anatomy(model))  # blocks, shapes, parameters, MACs of any model
print("--8<-- [end:zoo]")

print("--8<-- [start:plain]")
print(*keraskip.list_models("plain*"))
print(keraskip.describe("plain56"))
print("--8<-- [end:plain]")
print("--8<-- [start:plain-blocks]")
print(keraskip.anatomy(keraskip.build_plain(20)))
print("--8<-- [end:plain-blocks]")

print("--8<-- [start:resnet]")
print(*keraskip.list_models("resnet*"))
print(keraskip.describe("resnet56"))
print("--8<-- [end:resnet]")
print("--8<-- [start:resnet-blocks]")
print(keraskip.anatomy(keraskip.build_resnet(20, shortcut="B")))
print("--8<-- [end:resnet-blocks]")

print("--8<-- [start:preact]")
print(*keraskip.list_models("preact_*"))
print(keraskip.describe("preact_resnet164"))
print("--8<-- [end:preact]")
print("--8<-- [start:preact-blocks]")
print(keraskip.anatomy(keraskip.build_resnet(20, variant="preact")))
print("--8<-- [end:preact-blocks]")

print("--8<-- [start:densenet]")
print(*keraskip.list_models("densenet*"))
print(keraskip.describe("densenet_bc100_k12"))
print("--8<-- [end:densenet]")
print("--8<-- [start:densenet-blocks]")
print(keraskip.anatomy(keraskip.build_densenet(16, growth_rate=12)))
print("--8<-- [end:densenet-blocks]")

x, y = load_digits(return_X_y=True)
images = x[:32].reshape(-1, 8, 8, 1) / 16  # one batch, so one step
print("--8<-- [start:record]")
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
print("--8<-- [end:record]")
keraskip.compare("runs/plain20", "runs/plain56").save("plain.svg")
