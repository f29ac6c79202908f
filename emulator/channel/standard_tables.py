"""Loads tables of the standard and of measured error curves from data files."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """Return the content of `tables/<name>.json`; its notes state its sources and doubts."""
    text = (files("emulator.channel") / "tables" / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
