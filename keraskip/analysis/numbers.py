"""Numbers as people write them, for the middle of a sentence."""

# From here on an exponent is shorter than a row of zeros.
LARGE = 1e6


def plain(value: float, digits: int = 3) -> str:
    """A number with some significant digits, and without an exponent up to a million."""
    rounded = float(f"{value:.{digits}g}")
    is_plain = min(10**digits, 1000) <= abs(rounded) < LARGE
    return f"{rounded:,.0f}" if is_plain else f"{value:.{digits}g}"


def beside(ratio: float, whole: str, digits: int = 1) -> str:
    """How large a part is beside its whole, as "0.2 of itself" or "120 times itself"."""
    return f"{plain(ratio, digits)} {'times' if ratio >= 1 else 'of'} {whole}"
