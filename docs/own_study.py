from keraskip.study import Trial

trials = [
    Trial(f"{network}20_{activation}", network, {"depth": 20, "activation": activation}, epochs=2)
    for network in ("plain", "resnet")
    for activation in ("relu", "tanh")
]
