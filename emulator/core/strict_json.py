"""JSON text that every reader accepts: it has no numbers but finite ones."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON. Numbers that JSON does not have (NaN, infinities) become null; numbers of NumPy become
    numbers, and values of other types, such as paths, their text."""
    return json.dumps(_plain(value), indent=indent, allow_nan=False)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    as_python: Any = getattr(value, "tolist", None)  # of NumPy's arrays and numbers
    return _plain(as_python()) if callable(as_python) else str(value)
