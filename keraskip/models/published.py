"""The named networks and published facts about them, as data.

`parameters` is the number that the source prints. `errors` are percentages of the test images on
CIFAR (a `+` stands for training with shifted and mirrored images) and of the validation images on
ImageNet.
"""

from dataclasses import dataclass, field, replace
from typing import Any

HE_2015 = "He et al. 2015, arXiv 1512.03385"
HE_2016 = "He et al. 2016, arXiv 1603.05027"
HUANG_2017 = "Huang et al. 2017, arXiv 1608.06993"

HE_CIFAR = (
    "SGD 0.1, momentum 0.9, weight decay 1e-4, batch 128, 64k iterations, rate / 10 at 32k and "
    "48k; 4 pixels of padding, random crop and flip"
)
HE_CIFAR_WARM = f"{HE_CIFAR}; the first 400 iterations or so at 0.01"
HE_IMAGENET = (
    "SGD 0.1, momentum 0.9, weight decay 1e-4, batch 256, 600k iterations, rate / 10 when the "
    "error stalls; crops of 224 pixels of images whose short side is 256 to 480, flip, colour"
)
HE_2016_IMAGENET = (
    "SGD 0.1, momentum 0.9, weight decay 1e-4, batch 256, rate / 10 after 30 and 60 epochs; crops "
    "of 224 pixels, flip"
)
TORCH_IMAGENET = (
    "SGD 0.1, momentum 0.9, weight decay 1e-4, batch 256, 90 epochs, rate / 10 every 30; crops "
    "of 224 pixels of random size and aspect, flip"
)
HUANG_CIFAR = (
    "SGD 0.1, Nesterov momentum 0.9, weight decay 1e-4, batch 64, 300 epochs, rate / 10 after "
    "half and three quarters; dropout 0.2 only without shifted and mirrored images"
)
HUANG_IMAGENET = (
    "SGD 0.1, Nesterov momentum 0.9, weight decay 1e-4, batch 256, 90 epochs, rate / 10 after "
    "30 and 60"
)


@dataclass(frozen=True)
class Entry:
    """One named network: how to build it, and its published facts."""

    builder: str
    arguments: dict[str, Any]
    source: str
    recipe: str
    parameters: int | None = None
    errors: dict[str, float] = field(default_factory=dict)


# fmt: off
# depth, parameters, CIFAR-10+ error of the ResNet: He 2015, Table 6. Its plain twin is in Fig. 6.
CIFAR_RESNETS = (
    (20,      270_000, 8.75),
    (32,      460_000, 7.51),
    (44,      660_000, 7.17),
    (56,      850_000, 6.97),
    (110,   1_700_000, 6.43),
    (1202, 19_400_000, 7.93),
)
# depth, block, parameters (Huang 2017, Table 2), CIFAR-10+ and 100+ error: He 2016, Table 3, which
# begins with depth 110.
CIFAR_PREACT = (
    (20,   "basic",            None, None,  None),
    (110,  "basic",            None, 6.37,  None),
    (164,  "bottleneck",  1_700_000, 5.46, 24.33),
    (1001, "bottleneck", 10_200_000, 4.92, 22.71),
)
# depth, 10-crop error: He 2015, Table 2.
IMAGENET_PLAIN = ((18, 27.94), (34, 28.54))
# depth, parameters and 1-crop error of torchvision, 10-crop error of He 2015, Table 3, then the
# parameters and 1-crop errors of keras.applications: v1, v2.
IMAGENET_RESNETS = (
    (18,  11_689_512, 30.24,  None,       None, None,       None, None),
    (34,  21_797_672, 26.69, 24.52,       None, None,       None, None),
    (50,  25_557_032, 23.87, 22.85, 25_636_712, 25.1, 25_613_800, 24.0),
    (101, 44_549_160, 22.63, 21.75, 44_707_176, 23.6, 44_675_560, 22.8),
    (152, 60_192_808, 21.69, 21.43, 60_419_944, 23.4, 60_380_648, 22.0),
)
# depth, growth rate, parameters, error on C10, C10+, C100, C100+: Huang 2017, Table 2.
CIFAR_DENSENETS = (
    (40,  12,  1_000_000, 7.00, 5.24, 27.55, 24.42),
    (100, 12,  7_000_000, 5.77, 4.10, 23.79, 20.20),
    (100, 24, 27_200_000, 5.83, 3.74, 23.42, 19.25),
)
CIFAR_DENSENETS_BC = (
    (40,  12,       None, None, None,  None,  None),
    (100, 12,    800_000, 5.92, 4.51, 24.15, 22.27),
    (250, 24, 15_300_000, 5.19, 3.62, 19.64, 17.60),
    (190, 40, 25_600_000, None, 3.46,  None, 17.18),
)
# depth, parameters (Keras or torchvision), 1-crop and 10-crop error: Huang 2017, Table 3, and for
# 161 torchvision.
IMAGENET_DENSENETS = (
    (121,  8_062_504, 25.02, 23.61),
    (161, 28_681_000, 22.86,  None),
    (169, 14_307_880, 23.80, 22.08),
    (201, 20_242_984, 22.58, 21.46),
    (264,       None, 22.15, 20.80),
)
# fmt: on
ONE_CROP, TEN_CROPS = "ImageNet, 1 crop", "ImageNet, 10 crops"
CIFAR_COLUMNS = ("CIFAR-10", "CIFAR-10+", "CIFAR-100", "CIFAR-100+")


def _errors(names: tuple[str, ...], values: tuple[float | None, ...]) -> dict[str, float]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _cifar_residual() -> dict[str, Entry]:
    entries = {
        f"resnet{depth}": Entry(
            "build_resnet", {"depth": depth}, f"{HE_2015}, section 4.2 and Table 6",
            HE_CIFAR_WARM if depth == 110 else HE_CIFAR, parameters, {"CIFAR-10+": error},
        )
        for depth, parameters, error in CIFAR_RESNETS
    }  # fmt: skip
    for depth, block, parameters, *errors in CIFAR_PREACT:
        entries[f"preact_resnet{depth}"] = Entry(
            "build_resnet", {"depth": depth, "variant": "preact", "block": block},
            f"{HE_2016}, Table 3; parameters: {HUANG_2017}, Table 2", HE_CIFAR_WARM, parameters,
            _errors(("CIFAR-10+", "CIFAR-100+"), tuple(errors)),
        )  # fmt: skip
    entries["preact_resnet20"] = replace(
        entries["preact_resnet20"],
        source=f"variant of {HE_2016}: Table 3 has no such row",
        recipe=HE_CIFAR,
    )
    return entries


def _plain() -> dict[str, Entry]:
    entries = {
        f"plain{depth}": Entry(
            "build_plain", {"depth": depth}, f"{HE_2015}, section 4.2 and Fig. 6", HE_CIFAR
        )
        for depth, *_ in CIFAR_RESNETS
    }
    # The paper has no plain network of this depth.
    entries["plain1202"] = replace(
        entries["plain1202"], source=f"twin of resnet1202: {HE_2015}, section 4.2"
    )
    for depth, error in IMAGENET_PLAIN:
        entries[f"plain{depth}"] = Entry(
            "build_plain", {"depth": depth, "stem": "imagenet"},
            f"{HE_2015}, Tables 1 and 2", HE_IMAGENET, errors={TEN_CROPS: error},
        )  # fmt: skip
    return entries


def _imagenet_residual() -> dict[str, Entry]:
    entries = {}
    for row in IMAGENET_RESNETS:
        depth, torch, one_crop, ten_crops, keras_v1, error_v1, keras_v2, error_v2 = row
        arguments = {"depth": depth, "stem": "imagenet"}
        # Without a counterpart in keras.applications the network follows the papers.
        as_keras = arguments | {"conventions": "keras"} if keras_v1 else arguments
        entries[f"resnet{depth}"] = Entry(
            "build_resnet", as_keras,
            f"{HE_2015}, Tables 1 and 3; {_source_of_numbers(keras_v1)}", HE_IMAGENET,
            keras_v1 or torch, _errors((ONE_CROP, TEN_CROPS), (error_v1 or one_crop, ten_crops)),
        )  # fmt: skip
        entries[f"resnet{depth}v1.5"] = Entry(
            "build_resnet", arguments | {"variant": "v1.5"}, "torchvision", TORCH_IMAGENET,
            torch, {ONE_CROP: one_crop},
        )  # fmt: skip
        entries[f"resnet{depth}v2"] = Entry(
            "build_resnet", as_keras | {"variant": "preact"},
            f"{HE_2016}, Fig. 4e" + (f"; {_source_of_numbers(keras_v2)}" if keras_v2 else ""),
            HE_2016_IMAGENET, keras_v2, _errors((ONE_CROP,), (error_v2,)),
        )  # fmt: skip
    return entries


def _source_of_numbers(keras_parameters: int | None) -> str:
    source = "keras.applications, which it copies" if keras_parameters else "torchvision"
    return f"parameters and 1-crop error: {source}"


def _dense() -> dict[str, Entry]:
    entries = {}
    for rows, kind, options in (
        (CIFAR_DENSENETS, "densenet", {}),
        (CIFAR_DENSENETS_BC, "densenet_bc", {"bottleneck": True, "compression": 0.5}),
    ):
        for depth, growth_rate, parameters, *errors in rows:
            entries[f"{kind}{depth}_k{growth_rate}"] = Entry(
                "build_densenet", {"depth": depth, "growth_rate": growth_rate} | options,
                f"{HUANG_2017}, Table 2", HUANG_CIFAR, parameters,
                _errors(CIFAR_COLUMNS, tuple(errors)),
            )  # fmt: skip
    entries["densenet_bc40_k12"] = replace(
        entries["densenet_bc40_k12"], source=f"variant of {HUANG_2017}: Table 2 has no such row"
    )
    for depth, total, *crop_errors in IMAGENET_DENSENETS:
        keras = {"conventions": "keras"} if depth in (121, 169, 201) else {}
        source = f"{HUANG_2017}, Tables 1 and 3" + "; parameters: keras.applications" * bool(keras)
        source = "torchvision" if depth == 161 else source
        entries[f"densenet{depth}"] = Entry(
            "build_densenet", {"depth": depth, "stem": "imagenet"} | keras,
            source, HUANG_IMAGENET, total, _errors((ONE_CROP, TEN_CROPS), tuple(crop_errors)),
        )  # fmt: skip
    return entries


ZOO = _plain() | _cifar_residual() | _imagenet_residual() | _dense()
