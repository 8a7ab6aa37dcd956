"""The study whose networks have weights that come with keraskip.

    keraskip compare --study examples/fashion_mnist.py

trains plain, residual and dense networks on Fashion-MNIST (Xiao et al. 2017) by the recipe of
He et al. 2015, section 4.2, in 50 epochs instead of 182, the DenseNet too. The weights that come
with keraskip saw the images in the order of the official archives, which tensorflow-datasets
changes: `--dataset npz:fashion_mnist.npz` keeps it, with the file that `tests/fashion_archives.py`
writes.
"""

from keraskip.study import Trial
from keraskip.study.recipes import he_cifar

EPOCHS = 50
# By the name of each trial: its network, and arguments of the builder.
NETWORKS = {
    "plain20": ("plain20", {}),
    "resnet20": ("resnet20", {}),
    "preact_resnet20": ("resnet", {"depth": 20, "variant": "preact"}),
    "densenet_bc40_k12": ("densenet", {"depth": 40, "bottleneck": True, "compression": 0.5}),
    "plain56": ("plain56", {}),
    "resnet56": ("resnet56", {}),
}
RECIPE = {**he_cifar(20), "epochs": EPOCHS}

trials = [
    Trial(name, network, arguments, "fashion_mnist", **RECIPE)
    for name, (network, arguments) in NETWORKS.items()
]
