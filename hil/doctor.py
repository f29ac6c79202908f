"""What this machine has of the things that only some runs need, and how to get the rest."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from emulator.realtime.sandbox import requirements
from hil.mqtt.broker import find_mosquitto


class Finding(NamedTuple):
    """One thing: whether it is here, what was seen of it, and the remedy where it is not."""

    name: str
    found: bool
    detail: str
    remedy: str


def examine() -> Iterator[Finding]:
    """Look at everything once; nothing is changed."""
    for need in requirements.NEEDS:
        yield Finding(need.name, *requirements.examine(need), f"emulation in real time: {need.remedy}")
    yield _path("mosquitto", find_mosquitto(), "airsplit broker --mosquitto: apt-get install mosquitto")
    yield _path("CUDA", shutil.which("nvidia-smi"), "workers on a GPU: NVIDIA's driver and a CUDA build of torch")
    model = Path("/proc/device-tree/model")
    name = model.read_text().strip("\0\n") if model.is_file() else ""
    yield Finding("Jetson", "Jetson" in name, name, "workers on a Jetson: run `airsplit worker` there")


def _path(name: str, path: str | None, remedy: str) -> Finding:
    return Finding(name, path is not None, path or "", remedy)
