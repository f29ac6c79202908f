"""Programs in network, process and mount namespaces that end with the test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import KILLED_WITH_PARENT
from emulator.realtime.sandbox.requirements import NAMESPACES, require

ROOT = Path(__file__).parents[3]


def _why_not() -> str:
    try:
        require()
    except MissingDependency as error:
        return str(error)
    return "" if shutil.which("brctl") else "brctl: LinuxBridge needs it: apt-get install bridge-utils"


needs_mininet = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "nothing")


def in_private_world(folder: Path, *arguments: str, more: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run this environment's Python in private namespaces, with `folder` for temporary files; return its exit code,
    stdout and stderr."""
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)} | dict(more or {})
    done = subprocess.run(
        [*KILLED_WITH_PARENT, *NAMESPACES, sys.executable, *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
