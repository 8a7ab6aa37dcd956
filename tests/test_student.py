"""Student's distribution, beside that of SciPy."""

import numpy as np
import pytest
from scipy import special

from keraskip.analysis.student import quantile, tail

DEGREES = (1, 2, 3, 3.7, 10, 31.5, 100, 1e3, 1e5)


@pytest.mark.parametrize("degrees", DEGREES)
def test_quantiles_and_chances_are_those_of_scipy(degrees):
    assert quantile(degrees) == pytest.approx(special.stdtrit(degrees, 0.975), rel=1e-9)
    for value in (0.0, 1e-3, 0.5, 1.5, 4.0, 30.0, 1e4):
        # The square of such a value has the F distribution of 1 and as many degrees.
        wanted = special.fdtrc(1, degrees, value**2) / 2
        assert tail(degrees, value) == pytest.approx(wanted, rel=1e-8, abs=1e-280)


def test_what_is_unknown_stays_unknown():
    assert np.isnan(quantile(0))
    assert np.isnan(tail(5, np.nan))
    assert tail(5, np.inf) == 0
