"""Programs in network, process and mount namespaces that die with the test."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"),
)


def lacking() -> list[str]:
    """What this machine lacks of what Mininet and a relay need."""
    found = [name for name in ("mnexec", "brctl", "ifconfig", "ping", "setpriv") if shutil.which(name) is None]
    if importlib.util.find_spec("mininet") is None:
        found.append("mininet")
    if os.geteuid() != 0:
        found.append("root")
    if not Path("/dev/net/tun").exists():
        found.append("/dev/net/tun")
    return found


needs_mininet = pytest.mark.skipif(bool(lacking()), reason=f"needs {', '.join(lacking())}")


def in_private_world(folder: Path, *arguments: str, more: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run this environment's Python there with arguments, and `folder` for temporary files; its exit code and what it
    said."""
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)} | dict(more or {})
    done = subprocess.run(
        [*NAMESPACES, sys.executable, *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr
