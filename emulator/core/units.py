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


def ns_from_text(name: str, text: str) -> int:
    """Nanoseconds of a time with its unit: 60s, 500ms or 2min. Raises ValueError, which names what it is
    the time of, for anything else and outside 0 < t <= 1e6 s."""
    seconds_of = {"ms": 1e-3, "min": 60.0, "s": 1.0}
    unit = next((unit for unit in seconds_of if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * seconds_of[unit]
    except (KeyError, ValueError):
        raise ValueError(f"{name} {text}: must be a time such as 60s, 500ms or 2min") from None
    if not 1e-9 <= seconds <= 1e6:
        raise ValueError(f"{name} {text}: must be at least 1 ns and at most 1e6 s")
    return ns_from_s(seconds)
