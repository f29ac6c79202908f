"""Conversions to integer nanoseconds, the unit of all times in airsplit."""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


def ns_from_s(seconds: float) -> int:
    """Convert seconds, rounded to the nearest nanosecond."""
    return round(seconds * NS_PER_S)


def ns_from_ms(milliseconds: float) -> int:
    """Convert milliseconds, rounded to the nearest nanosecond."""
    return round(milliseconds * NS_PER_MS)


def ns_from_text(name: str, text: str) -> int:
    """Parse a time such as 60s, 500ms or 2min. Raise ValueError, which begins with `name`, for other texts and
    for times outside 1 ns to 1e6 s."""
    unit_s = {"ms": 1e-3, "min": 60.0, "s": 1.0}
    unit = next((unit for unit in unit_s if text.endswith(unit)), "")
    try:
        seconds = float(text.removesuffix(unit)) * unit_s[unit]
    except (KeyError, ValueError):
        raise ValueError(f"{name} {text}: must be a time such as 60s, 500ms or 2min") from None
    if not 1e-9 <= seconds <= 1e6:
        raise ValueError(f"{name} {text}: must be at least 1 ns and at most 1e6 s")
    return ns_from_s(seconds)
