"""ResNets and DenseNets in PyTorch with the structure and the names of torchvision.

Written from the papers (He et al. 2015, arXiv 1512.03385, Table 1; Huang et al. 2017, arXiv
1608.06993, Table 1) and from the names in torchvision's state dicts.
"""

import torch
from torch import nn


def conv(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Block(nn.Module):
    """A residual block; the stride is in the first convolution of 3x3."""

    def __init__(self, inputs, width, expansion, stride):
        super().__init__()
        outputs = width * expansion
        sizes = (3, 3) if expansion == 1 else (1, 3, 1)
        widths = [inputs, *[width] * (len(sizes) - 1), outputs]
        self.count = len(sizes)
        for number, size in enumerate(sizes, 1):
            strided = stride if number == sizes.index(3) + 1 else 1
            layer = conv(widths[number - 1], widths[number], size, strided)
            self.add_module(f"conv{number}", layer)
            self.add_module(f"bn{number}", nn.BatchNorm2d(widths[number]))
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        skip = self.downsample(x) if hasattr(self, "downsample") else x
        for number in range(1, self.count + 1):
            if number > 1:
                x = torch.relu(x)
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
        return torch.relu(x + skip)


class ResNet(nn.Module):
    """Maps of the last stage, and the logits."""

    def __init__(self, blocks, expansion, widths=(64, 128, 256, 512), classes=1000):
        super().__init__()
        self.conv1, self.bn1 = conv(3, widths[0], 7, 2), nn.BatchNorm2d(widths[0])
        inputs = widths[0]
        self.stages = len(blocks)
        for stage, (count, width) in enumerate(zip(blocks, widths, strict=True), 1):
            layers = []
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                layers.append(Block(inputs, width, expansion, stride))
                inputs = width * expansion
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.max_pool2d(x, 3, 2, 1)
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return x, self.fc(x.mean((2, 3)))


class DenseLayer(nn.Module):
    """Normalisation, ReLU, 1x1, normalisation, ReLU, 3x3; its maps behind those that came in."""

    def __init__(self, inputs, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x):
        y = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(y)))], 1)


class Transition(nn.Module):
    """Half of the maps, at half the size."""

    def __init__(self, inputs):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), conv(inputs, inputs // 2, 1)

    def forward(self, x):
        return nn.functional.avg_pool2d(self.conv(torch.relu(self.norm(x))), 2)


class DenseNet(nn.Module):
    """Maps of the last block, normalised and activated, and the logits."""

    def __init__(self, blocks, growth, classes=1000):
        super().__init__()
        maps = 2 * growth
        parts = {"conv0": conv(3, maps, 7, 2), "norm0": nn.BatchNorm2d(maps)}
        parts |= {"relu0": nn.ReLU(), "pool0": nn.MaxPool2d(3, 2, 1)}
        for number, count in enumerate(blocks, 1):
            block = nn.Sequential()
            for index in range(1, count + 1):
                block.add_module(f"denselayer{index}", DenseLayer(maps, growth))
                maps += growth
            parts[f"denseblock{number}"] = block
            if number < len(blocks):
                parts[f"transition{number}"] = Transition(maps)
                maps //= 2
        parts["norm5"] = nn.BatchNorm2d(maps)
        self.features = nn.Sequential()
        for name, part in parts.items():
            self.features.add_module(name, part)
        self.classifier = nn.Linear(maps, classes)

    def forward(self, x):
        x = torch.relu(self.features(x))
        return x, self.classifier(x.mean((2, 3)))
