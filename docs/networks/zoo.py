import keraskip

# --8<-- [start:zoo]
print(keraskip.describe("resnet56"))  # what the paper says, what the model has
model = keraskip.build_resnet(
    20, normalization="group", stochastic_depth_rate=0.5, input_shape=(28, 28, 1)
)
print(keraskip.anatomy(model))  # blocks, shapes, parameters, MACs of any model
# --8<-- [end:zoo]
