"""The memory of this machine."""

from pathlib import Path

import psutil

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def available_bytes() -> int:
    """Return the memory that is free on this machine, at most the limit of the container."""
    available = int(psutil.virtual_memory().available)
    for path in LIMITS:
        if path.is_file() and (text := path.read_text().strip()).isdecimal():
            available = min(available, int(text))
    return available


def gb_text(size_bytes: int) -> str:
    """Return a size as text, in GB."""
    return f"{size_bytes / 1e9:.1f} GB"
