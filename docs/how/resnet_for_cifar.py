import numpy as np

import keraskip

# --8<-- [start:build]
model = keraskip.build_resnet(depth=56, input_shape=(32, 32, 3), classes=10)
# --8<-- [end:build]

# --8<-- [start:describe]
print(keraskip.describe("resnet56"))
# --8<-- [end:describe]

# --8<-- [start:answers]
images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
print(model.predict(images, verbose=0).shape)
# --8<-- [end:answers]
