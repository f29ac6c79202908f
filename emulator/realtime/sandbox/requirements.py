"""What emulation in real time requires of a machine beside Python, checked before anything starts."""

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


class Requirement(NamedTuple):
    """`find` returns a description of what was found; it raises OSError or ImportError with the reason if the
    requirement is not met."""

    name: str
    find: Callable[[], str]
    remedy: str


def find_root() -> str:
    """Return the user's id. Raises PermissionError if the user is not root."""
    user = os.geteuid()
    if user != 0:
        raise PermissionError(f"this is user id {user}")
    return f"user id {user}"


def find_namespaces() -> str:
    """Return the kinds of namespaces. Raises OSError if they cannot be made or nothing can be mounted in them: in a
    container even root may lack the right."""
    mount = ("mount", "-t", "tmpfs", "airsplit", SHARED_MEMORY)
    done = subprocess.run([*NAMESPACES, *mount], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermissionError(" ".join(done.stderr.split()))
    return "network, processes, mounts"


def find_mininet() -> str:
    """Return the path of Mininet's program that starts hosts. Raises FileNotFoundError without it or iproute2,
    ImportError if Python does not find Mininet's modules or their dependencies."""
    paths = [shutil.which(program) for program in PROGRAMS]
    if None in paths:
        raise FileNotFoundError(f"no {PROGRAMS[paths.index(None)]}")
    importlib.import_module("mininet.net")
    return str(paths[0])


def find_tun() -> str:
    """Return the device that makes TAP interfaces. Raises OSError if it cannot be opened."""
    os.close(os.open(TUN, os.O_RDWR))
    return TUN


ROOT_USER = Requirement("root", find_root, "run as root (sudo)")
MININET = Requirement("Mininet", find_mininet, "apt-get install mininet bridge-utils, then `make mininet`")
TUN_DEVICE = Requirement(TUN, find_tun, "modprobe tun; in a container, start it with --device /dev/net/tun")
PRIVATE_NAMESPACES = Requirement("namespaces", find_namespaces, "in a container, start it with --privileged")
REQUIREMENTS = (ROOT_USER, PRIVATE_NAMESPACES, MININET, TUN_DEVICE)


def check(requirement: Requirement) -> tuple[bool, str]:
    """Return whether a requirement is met, and what was found or the reason, in a few words."""
    try:
        return True, requirement.find()
    except OSError as error:
        return False, error.strerror or str(error)
    except ImportError as error:
        return False, str(error)


def require(requirements: Sequence[Requirement] = REQUIREMENTS) -> None:
    """Raise MissingDependency for the first requirement that this machine does not meet."""
    for requirement in requirements:
        met, reason = check(requirement)
        if not met:
            raise MissingDependency(
                f"{requirement.name}: emulation in real time needs it ({reason}): {requirement.remedy}"
            )
