"""Time zones: offsets, IANA names, and the abbreviations that mean one offset alone."""

import re
from collections.abc import Mapping
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# Abbreviations of RFC 822 and of Europe; those with several meanings (IST, BST, CST in China) are left to `zone`.
HOURS_OF_NAME: Mapping[str, float] = {
    **dict.fromkeys(("Z", "UT", "UTC", "GMT", "WET"), 0),
    **{"WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9},
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7},
    **{"AEST": 10, "AEDT": 11, "HKT": 8},
}
ZONE_WORD = re.compile(
    r"\[?\b([A-Z][A-Za-z]+(?:/[A-Za-z_+\-0-9]+)+|" + "|".join(sorted(HOURS_OF_NAME, key=len)[::-1]) + r")\b\]?"
)
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")


def zone_of(name: str) -> tzinfo | None:
    """Return the zone of an offset, an abbreviation or an IANA name; None if it is not known."""
    if match := OFFSET.fullmatch(name):
        sign, hours, minutes = match.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-offset if sign == "-" else offset) if offset < timedelta(days=1) else None
    if name in HOURS_OF_NAME:
        return timezone(timedelta(hours=HOURS_OF_NAME[name]))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def require_zone(what: str, name: str) -> tzinfo:
    """Return the zone of a setting. Raises ValueError if it is not known."""
    zone = zone_of(name)
    if zone is None:
        raise ValueError(f"{what}={name!r}: must be an offset such as +02:00, or a name such as Europe/Berlin or CET")
    return zone
