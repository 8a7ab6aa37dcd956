"""What the pages on the networks show: the code of each part, and what it prints between marks."""

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
