import keras
from sklearn.datasets import load_digits

import keraskip

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
images = ((x * 255 / 16 - 77.9) / 95.9).reshape(-1, 8, 8, 1).astype("float32")
preprocessing = keraskip.Preprocessing(mean=77.9, deviation=95.9)
model = keraskip.build_resnet(8, input_shape=(8, 8, 1), classes=10)
model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
model.fit(images[:320], y[:320], verbose=0)

# --8<-- [start:export]
keraskip.export_savedmodel(
    model,
    "exported/digits",
    preprocessing=preprocessing,
    class_names=[f"digit {number}" for number in range(10)],
    signatures=["encoded", "uint8", "serve"],
)
keraskip.export_onnx(model, "exported/digits_onnx")
keraskip.export_litert(
    model, "exported/digits_int8", quantization="int8", representative=images[:100]
)
keraskip.export_openvino(model, "exported/digits_openvino")
# --8<-- [end:export]
# The runtimes say more than the page needs.
print("--8<-- [start:answer]")
print(keraskip.Artefact("exported/digits_onnx")(images[:1]))
print("--8<-- [end:answer]")
