"""Published sizes of the networks: what the builders must reproduce."""

from functools import partial
from typing import NamedTuple

from keraskip import build_densenet, build_plain, build_resnet

dense_bc = partial(build_densenet, bottleneck=True, compression=0.5)


class Size(NamedTuple):
    """A network, the call that builds it and the numbers of its weights."""

    name: str
    build: object
    arguments: tuple
    trainable: int
    non_trainable: int | None  # None: not published


# He et al. 2015 (arXiv 1512.03385), Table 6, prints 0.27M, 0.46M, 0.66M, 0.85M and 1.7M for
# ResNet-20 to 110 (shortcut A); the exact numbers are 97216 n - 21926 trainable and 448 n + 32
# non-trainable with n = (depth - 2) / 6. Shortcut B adds 2752 and 192. The numbers of
# He et al. 2016 (arXiv 1603.05027), Table 2, ResNet-110, follow from its Fig. 4e.
# fmt: off
RESIDUAL = (
    Size("plain-20",      build_plain,  (20,),                  269_722,   1_376),
    Size("plain-32",      build_plain,  (32,),                  464_154,   2_272),
    Size("plain-44",      build_plain,  (44,),                  658_586,   3_168),
    Size("plain-56",      build_plain,  (56,),                  853_018,   4_064),
    Size("plain-110",     build_plain,  (110,),               1_727_962,   8_096),
    Size("resnet-20-A",   build_resnet, (20,  "v1", "A"),       269_722,   1_376),
    Size("resnet-32-A",   build_resnet, (32,  "v1", "A"),       464_154,   2_272),
    Size("resnet-44-A",   build_resnet, (44,  "v1", "A"),       658_586,   3_168),
    Size("resnet-56-A",   build_resnet, (56,  "v1", "A"),       853_018,   4_064),
    Size("resnet-110-A",  build_resnet, (110, "v1", "A"),     1_727_962,   8_096),
    Size("resnet-20-B",   build_resnet, (20,  "v1", "B"),       272_474,   1_568),
    Size("resnet-32-B",   build_resnet, (32,  "v1", "B"),       466_906,   2_464),
    Size("resnet-44-B",   build_resnet, (44,  "v1", "B"),       661_338,   3_360),
    Size("resnet-56-B",   build_resnet, (56,  "v1", "B"),       855_770,   4_256),
    Size("resnet-110-B",  build_resnet, (110, "v1", "B"),     1_730_714,   8_288),
    Size("preact-110-A",  build_resnet, (110, "preact", "A"), 1_727_962,    None),
    Size("preact-110-B",  build_resnet, (110, "preact", "B"), 1_730_522,    None),
)

# Huang et al. 2017 (arXiv 1608.06993), Table 2, prints 1.0M and 0.8M.
DENSE = (
    Size("densenet-40-k12",     build_densenet, (40,  12), 1_019_722, None),
    Size("densenet-bc-100-k12", dense_bc,       (100, 12),   769_162, None),
)
# fmt: on
