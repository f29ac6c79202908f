"""What is asked of iproute2's programs, in the caller's network namespace."""

import json
import subprocess
from collections.abc import Iterable
from typing import Any

from emulator.core.errors import MissingDependency


def run_all(tool: str, orders: Iterable[str], descriptors: Iterable[int] = ()) -> None:
    """Have `ip` or `bridge` carry out many orders in one process, which has these descriptors open, too. Raises
    MissingDependency, one line, where the machine refuses one."""
    text = "".join(f"{order}\n" for order in orders)
    done = subprocess.run(
        [tool, "-batch", "-"], input=text, capture_output=True, text=True, check=False, pass_fds=tuple(descriptors)
    )
    if done.returncode != 0:
        raise MissingDependency(f"{tool}: {' '.join(done.stderr.split())}")


def described(*question: str) -> list[dict[str, Any]]:
    """What `ip -json` answers. Raises MissingDependency, one line, where it refuses to."""
    done = subprocess.run(["ip", "-json", *question], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingDependency(f"ip: {' '.join(done.stderr.split())}")
    return list(json.loads(done.stdout))
