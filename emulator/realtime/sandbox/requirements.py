"""What emulation in real time needs of a machine beside Python: looked for, each alone, before anything starts."""

import importlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from emulator.core.errors import MissingDependency

TUN = "/dev/net/tun"
PROGRAMS = ("mnexec", "ip")
NAMESPACES = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc")
SHARED_MEMORY = "/dev/shm"


class Need(NamedTuple):
    """One thing: `look` says what was seen of it, or raises OSError or ImportError with why it is of no use."""

    name: str
    look: Callable[[], str]
    remedy: str


def look_for_root() -> str:
    """The user's id. Raises PermissionError where it is not root's."""
    user = os.geteuid()
    if user != 0:
        raise PermissionError(f"this is user id {user}")
    return f"user id {user}"


def look_for_namespaces() -> str:
    """The kinds of namespaces. Raises OSError where this machine makes none, or nothing may be mounted in them: in a
    container not even root may."""
    mount = ("mount", "-t", "tmpfs", "airsplit", SHARED_MEMORY)
    done = subprocess.run([*NAMESPACES, *mount], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermissionError(" ".join(done.stderr.split()))
    return "network, processes, mounts"


def look_for_mininet() -> str:
    """The path of Mininet's program that starts hosts. Raises FileNotFoundError without it or iproute2, ImportError
    where Python does not find Mininet's modules or what they need."""
    paths = [shutil.which(program) for program in PROGRAMS]
    if None in paths:
        raise FileNotFoundError(f"no {PROGRAMS[paths.index(None)]}")
    importlib.import_module("mininet.net")
    return str(paths[0])


def look_for_tun() -> str:
    """The device that makes TAP interfaces. Raises OSError where it cannot be opened."""
    os.close(os.open(TUN, os.O_RDWR))
    return TUN


ROOT = Need("root", look_for_root, "run as root (sudo)")
MININET = Need("Mininet", look_for_mininet, "apt-get install mininet bridge-utils, then `make mininet`")
TUN_DEVICE = Need(TUN, look_for_tun, "modprobe tun; in a container, start it with --device /dev/net/tun")
WORLD = Need("namespaces", look_for_namespaces, "in a container, start it with --privileged")
NEEDS = (ROOT, WORLD, MININET, TUN_DEVICE)


def examine(need: Need) -> tuple[bool, str]:
    """Whether a thing is of use here, and what was seen of it or why not, in a few words."""
    try:
        return True, need.look()
    except OSError as error:
        return False, error.strerror or str(error)
    except ImportError as error:
        return False, str(error)


def require(needs: Sequence[Need] = NEEDS) -> None:
    """Raises MissingDependency for the first of `needs` that this machine lacks."""
    for need in needs:
        found, why = examine(need)
        if not found:
            raise MissingDependency(f"{need.name}: emulation in real time needs it ({why}): {need.remedy}")
