"""Published sizes of the networks, which the builders must reproduce."""

from typing import NamedTuple


class Size(NamedTuple):
    """A network of the zoo, changes to it, and its size."""

    name: str
    overrides: dict
    trainable: int
    total: int | None  # None: not published
    mmacs: float | None = None  # millions of multiply-accumulates of convolutions and classifier

    def __str__(self):
        return "-".join((self.name, *map(str, self.overrides.values())))


B = {"shortcut": "B"}

# fmt: off
SIZES = (
    # He et al. 2015 (arXiv 1512.03385), Table 6, prints 0.27M, 0.46M, 0.66M, 0.85M, 1.7M and 19.4M
    # for shortcut A; the exact numbers are 97216 n - 21926 trainable and 448 n + 32 more with
    # n = (depth - 2) / 6. Shortcut B adds 2752 and 192.
    Size("plain20",            {},    269_722,    271_098,  40.551),
    Size("plain32",            {},    464_154,    466_426),
    Size("plain44",            {},    658_586,    661_754),
    Size("plain56",            {},    853_018,    857_082, 125.486),
    Size("plain110",           {},  1_727_962,  1_736_058),
    Size("resnet20",           {},    269_722,    271_098,  40.551),
    Size("resnet32",           {},    464_154,    466_426),
    Size("resnet44",           {},    658_586,    661_754),
    Size("resnet56",           {},    853_018,    857_082, 125.486),
    Size("resnet110",          {},  1_727_962,  1_736_058),
    Size("resnet1202",         {}, 19_421_274, 19_510_906),
    Size("resnet20",            B,    272_474,    274_042,  40.813),
    Size("resnet32",            B,    466_906,    469_370),
    Size("resnet44",            B,    661_338,    664_698),
    Size("resnet56",            B,    855_770,    860_026, 125.748),
    Size("resnet110",           B,  1_730_714,  1_739_002),
    # He et al. 2016 (arXiv 1603.05027), Fig. 4e.
    # Depth 20 is in no table; it has as many as its twin without pre-activation.
    Size("preact_resnet20",    {},    269_722, None),
    Size("preact_resnet110",   {},  1_727_962, None),
    Size("preact_resnet110",    B,  1_730_522, None),
    Size("preact_resnet164",   {},  1_703_258, None),
    Size("preact_resnet1001",  {}, 10_327_706, None),
    # Huang et al. 2017 (arXiv 1608.06993), Table 2, prints 1.0M, 7.0M, 27.2M, 0.8M, 15.3M, 25.6M.
    Size("densenet40_k12",     {},  1_019_722, None),
    Size("densenet100_k12",    {},  6_979_642, None),
    Size("densenet100_k24",    {}, 27_249_082, None),
    # BC with 40 layers has no row there; the number is counted by hand from section 3.
    Size("densenet_bc40_k12",  {},    176_122, None),
    Size("densenet_bc100_k12", {},    769_162, None, 287.930),
    Size("densenet_bc250_k24", {}, 15_324_406, None),
    Size("densenet_bc190_k40", {}, 25_624_430, None),
    # torchvision, which has no moving statistics among its parameters; its ResNets are v1.5.
    Size("resnet18",           {}, 11_689_512, None,  1_814),
    Size("resnet34",           {}, 21_797_672, None,  3_664),
    Size("resnet50v1.5",       {}, 25_557_032, None,  4_089),
    Size("resnet101v1.5",      {}, 44_549_160, None,  7_801),
    Size("resnet152v1.5",      {}, 60_192_808, None, 11_514),
    Size("densenet161",        {}, 28_681_000, None,  7_728),
    # keras.applications; the multiply-accumulates of its DenseNets are torchvision's.
    Size("resnet50",           {}, 25_583_592, 25_636_712,  3_858),
    Size("resnet101",          {}, 44_601_832, 44_707_176),
    Size("resnet152",          {}, 60_268_520, 60_419_944),
    Size("resnet50v2",         {}, 25_568_360, 25_613_800),
    Size("resnet101v2",        {}, 44_577_896, 44_675_560),
    Size("resnet152v2",        {}, 60_236_904, 60_380_648),
    Size("densenet121",        {},  7_978_856,  8_062_504,  2_834),
    Size("densenet169",        {}, 14_149_480, 14_307_880,  3_360),
    Size("densenet201",        {}, 20_013_928, 20_242_984,  4_291),
    Size("densenet264",        {}, 33_337_704, 33_736_232),
)
# fmt: on
