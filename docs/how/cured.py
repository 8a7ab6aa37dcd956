import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0)
inputs = keras.Input((64,))
h = inputs
# --8<-- [start:remedy]
for _ in range(12):
    layer = keras.layers.Dense(64, "relu", kernel_initializer="he_normal")
    h = h + keras.layers.BatchNormalization(momentum=0.9)(layer(h))
# --8<-- [end:remedy]
model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(h))
model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=8, verbose=0)
print("accuracy:", round(model.evaluate(x_test, y_test, verbose=0)[1], 2))
