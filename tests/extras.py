"""Packages of extras, without which tests are skipped."""

from typing import Any

import pytest


def module_of_extra(name: str, extra: str) -> Any:
    """Import a module. Skip the test, with the remedy, where a package of the extra is missing."""
    return pytest.importorskip(name, reason=f"needs the extra {extra}: make extras, or pip install 'airsplit[{extra}]'")
