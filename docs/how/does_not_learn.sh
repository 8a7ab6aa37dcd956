cat > train.py <<'END'
# --8<-- [start:train]
import keras
from sklearn.datasets import load_digits

keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
inputs = keras.Input((64,))
h = inputs
for _ in range(12):
    h = keras.layers.Dense(64, "sigmoid")(h)
model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(h), name="digits")
sgd = keras.optimizers.SGD(0.05)
model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x / 16, y, epochs=6, verbose=0)
print("accuracy:", round(history.history["accuracy"][-1], 2))
# --8<-- [end:train]
END
exec > stalls.txt 2>&1
# --8<-- [start:record]
keraskip record train.py
# --8<-- [end:record]

# As a reader types it.
cat > remedy.txt <<'END'
    # --8<-- [start:remedy]
    layer = keras.layers.Dense(64, "relu", kernel_initializer="he_normal")
    h = h + keras.layers.BatchNormalization(momentum=0.9)(layer(h))
    # --8<-- [end:remedy]
END
sed -i -e '/"sigmoid"/{r remedy.txt' -e 'd}' train.py
exec > learns.txt 2>&1
keraskip record train.py
