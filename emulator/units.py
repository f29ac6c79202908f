"""Time is an integer number of nanoseconds everywhere inside airsplit; these convert at its edges."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def ns_from_s(seconds: float) -> int:
    """The nearest whole nanosecond to a time in seconds."""
    return round(seconds * NS_PER_S)


def ns_from_ms(milliseconds: float) -> int:
    """The nearest whole nanosecond to a time in milliseconds."""
    return round(milliseconds * NS_PER_MS)
