from keraskip.study import Trial, recipe_of

trials = [
    Trial("resnet20", "resnet20", dataset="cifar10", **recipe_of("resnet20")),
    Trial(
        "tanh", "resnet", {"depth": 20, "activation": "tanh"}, "cifar10", **recipe_of("resnet20")
    ),
]
