"""Networks that learn, of the part of the battery that no rule has seen.

Many look like a fault to a hasty reader: a large rate, a loss that is multiplied by little, inputs
of 255, units that stay at 0, a plateau at the start, a norm that is clipped in every step.
"""

from battery_network import ADAM, SGD, Network

OPTIMIZERS, SCHEDULES = "keras.optimizers", "keras.optimizers.schedules"
RMSPROP, NADAM = f"{OPTIMIZERS}.RMSprop", f"{OPTIMIZERS}.Nadam"
TANH = {"activation": "tanh", "initializer": "glorot_uniform"}
# The pixels themselves, as probabilities.
PIXELS = {"head": (64, "sigmoid"), "loss": "binary_crossentropy", "code": "y = x"}
# A shop's columns: prices beside shares, each brought to mean 0 and deviation 1.
TABLE = "x = np.log1p(x * 50)\nx = ((x - x.mean(0)) / (x.std(0) + 1e-6)).astype('float32')"
# Words in a bag: most inputs are 0.
SPARSE = "x = np.where(x > 0.7, x, 0).astype('float32')"
RESTARTS = f"{SGD}({SCHEDULES}.CosineDecayRestarts(0.2, 40))"

SOUND = [
    Network(f"late 3 sound {name}", "sound", changes)
    for name, changes in [
        ("relu6 lamb", {
            "depth": 4, "units": 60, "activation": "relu6",
            "optimizer": f"{OPTIMIZERS}.Lamb(0.01)", "epochs": 8}),
        ("columns of a table", {
            "depth": 2, "units": 14, "activation": "celu", "task": "regression",
            "code": TABLE, "loss": "log_cosh", "optimizer": f"{ADAM}(0.01)"}),
        ("8 units a layer", {
            "depth": 3, "units": 8, "activation": "tanh", "initializer": "glorot_normal",
            "optimizer": f"{ADAM}(0.01)", "epochs": 8}),
        ("300 units", {
            "depth": 1, "units": 300, "activation": "softplus", "initializer": "glorot_uniform",
            "optimizer": f"{OPTIMIZERS}.Adafactor(0.02)", "epochs": 6}),
        ("many units at 0", {
            "depth": 2, "units": 90, "bias": -0.25, "code": SPARSE, "optimizer": f"{ADAM}(3e-3)",
            "epochs": 6}),
        ("9 layers normalised, adagrad", {
            "depth": 9, "units": 40, "normalised": True,
            "optimizer": f"{OPTIMIZERS}.Adagrad(0.05)"}),
        ("warm restarts", {
            "depth": 2, "units": 50, "activation": "leaky_relu", "optimizer": RESTARTS}),
        ("moving average of weights", {
            "depth": 3, "units": 36, "activation": "hard_silu",
            "optimizer": f"{ADAM}(4e-3, use_ema=True, ema_momentum=0.9)", "epochs": 8}),
        ("four batches to a step", {
            "depth": 2, "units": 44, "activation": "elu",
            "optimizer": f"{ADAM}(0.01, gradient_accumulation_steps=4)", "epochs": 8}),
        ("targets of 12 with a rate to match", {
            "depth": 2, "units": 64, "task": "regression", "shift": 12.0,
            "optimizer": f"{ADAM}(0.01)", "epochs": 10}),
        ("conv of 255 normalised", {
            "family": "conv", "depth": 3, "units": 32, "scale": 255.0, "normalised": True,
            "activation": "swish", "optimizer": f"{RMSPROP}(2e-3)"}),
        ("conv sigmoid", {
            "family": "conv", "depth": 2, "units": 40, "task": "binary", "activation": "sigmoid",
            "initializer": "glorot_uniform", "optimizer": f"{ADAM}(0.03)", "epochs": 14}),
        ("conv half precision scaled", {
            "family": "conv", "depth": 3, "units": 32, "policy": "mixed_float16",
            "optimizer": f"{OPTIMIZERS}.LossScaleOptimizer({ADAM}(5e-3))", "epochs": 6}),
        ("residual 18 gelu", {
            "family": "residual", "depth": 18, "units": 16, "activation": "gelu",
            "normalised": True, "optimizer": f"{NADAM}(2e-3)", "epochs": 4}),
        ("lstm rare class", {
            "family": "rnn", "cell": "LSTM", "depth": 1, "units": 30, "task": "rare",
            "optimizer": f"{RMSPROP}(5e-3)", "epochs": 6}),
        ("gru clipped in each step", {
            "family": "rnn", "cell": "GRU", "depth": 2, "units": 26,
            "optimizer": f"{SGD}(0.5, clipnorm=0.1)", "epochs": 8}),
        ("transformer binary lion", {
            "family": "transformer", "depth": 2, "units": 32, "task": "binary",
            "activation": "gelu", "optimizer": f"{OPTIMIZERS}.Lion(3e-4)"}),
        ("autoencoder of pixels", {
            "family": "autoencoder", "depth": 3, "units": 48, "task": "rebuild", **PIXELS,
            "optimizer": f"{ADAM}(5e-3)", "epochs": 8}),
        ("unet tanh denoise", {
            "family": "unet", "units": 24, "task": "denoise", **TANH, "loss": "mae",
            "optimizer": f"{RMSPROP}(3e-3)"}),
        ("gan selu rmsprop", {
            "family": "gan", "depth": 2, "units": 32, "task": "points", "activation": "selu",
            "initializer": "lecun_normal", "optimizer": f"{RMSPROP}(1e-3)", "epochs": 20}),
        ("siamese 6 layers swish", {
            "family": "siamese", "depth": 6, "units": 48, "task": "pairs", "activation": "swish",
            "optimizer": f"{OPTIMIZERS}.AdamW(2e-3, weight_decay=0.05)", "epochs": 15}),
        ("two outputs, loss of a hundredth", {
            "family": "multi", "depth": 2, "units": 60, "task": "both", "loss_weight": 0.01,
            "activation": "mish", "optimizer": f"{ADAM}(3e-3)"}),
        ("transfer rare class", {
            "family": "transfer", "depth": 2, "units": 24, "task": "rare", "dropout": 0.3,
            "activation": "elu", "optimizer": f"{OPTIMIZERS}.Adamax(5e-3)", "epochs": 8}),
    ]
]  # fmt: skip
