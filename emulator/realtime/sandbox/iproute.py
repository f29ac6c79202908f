"""Commands to iproute2's programs, in the caller's network namespace."""

import json
import subprocess
from collections.abc import Iterable
from typing import Any

from emulator.core.errors import MissingDependency


def run_batch(tool: str, commands: Iterable[str], descriptors: Iterable[int] = ()) -> None:
    """Run many commands of `ip` or `bridge` in one process, which inherits the descriptors. Raises MissingDependency,
    one line, if one of them fails."""
    text = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(
        [tool, "-batch", "-"], input=text, capture_output=True, text=True, check=False, pass_fds=tuple(descriptors)
    )
    if done.returncode != 0:
        raise MissingDependency(f"{tool}: {' '.join(done.stderr.split())}")


def query(*arguments: str) -> list[dict[str, Any]]:
    """Return the answer of `ip -json`. Raises MissingDependency, one line, if it fails."""
    done = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingDependency(f"ip: {' '.join(done.stderr.split())}")
    return list(json.loads(done.stdout))
