"""The numbers of the standard, and of measured error curves: data files beside the code."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """What `tables/<name>.json` holds; its notes say what it is and what is in doubt."""
    text = (files("emulator.channel") / "tables" / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
