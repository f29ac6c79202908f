"""Report which optional requirements this machine meets, and how to meet the others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from emulator.core.machine_code import REMEDY, cache_folder
from emulator.realtime.sandbox import requirements
from hil.mqtt.broker import find_mosquitto


class Finding(NamedTuple):
    """One requirement: whether it is met, the evidence, and the remedy if it is not met."""

    name: str
    found: bool
    detail: str
    remedy: str


def examine() -> Iterator[Finding]:
    """Yield a finding for each requirement; changes nothing."""
    for requirement in requirements.REQUIREMENTS:
        yield Finding(
            requirement.name, *requirements.check(requirement), f"emulation in real time: {requirement.remedy}"
        )
    folder = cache_folder()
    yield Finding("machine code", folder is not None, str(folder), f"every run compiles for a minute: {REMEDY}")
    yield _path("mosquitto", find_mosquitto(), "airsplit broker --mosquitto: apt-get install mosquitto")
    yield _path("CUDA", shutil.which("nvidia-smi"), "workers on a GPU: NVIDIA's driver and a CUDA build of torch")
    model = Path("/proc/device-tree/model")
    name = model.read_text(errors="replace").strip("\0\n") if model.is_file() else ""
    yield Finding("Jetson", "Jetson" in name, name, "workers on a Jetson: run `airsplit worker` there")


def _path(name: str, path: str | None, remedy: str) -> Finding:
    return Finding(name, path is not None, path or "", remedy)
