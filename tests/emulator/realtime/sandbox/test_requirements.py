"""What emulation needs, where one of it is missing: for real, in a mount namespace that hides it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.requirements import MININET, NEEDS, Need, examine, require

TREE = Path(__file__).parents[4]
ASK = "from emulator.realtime.sandbox.requirements import {0}, examine; print(*examine({0}))"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="hiding things from a program needs root: run the tests as root")


def seen_by(name: str, *wrapper: str) -> str:
    command = [*wrapper, sys.executable, "-B", "-c", ASK.format(name)]
    return subprocess.run(command, cwd=TREE, capture_output=True, text=True, check=True).stdout.strip()


def hiding(folder: str) -> tuple[str, ...]:
    """A command runs behind this where `folder` is empty."""
    return ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"', "sh")


@as_root
def test_another_user_is_not_root() -> None:
    who = (
        "import os; from emulator.realtime.sandbox.requirements import ROOT, examine\n"
        "os.setuid(65534); print(*examine(ROOT))"
    )
    done = subprocess.run([sys.executable, "-c", who], cwd=TREE, capture_output=True, text=True, check=True)
    assert done.stdout == "False this is user id 65534\n"


@as_root
def test_root_that_may_not_make_namespaces_as_in_a_container() -> None:
    seen = seen_by("WORLD", "setpriv", "--bounding-set=-sys_admin")
    assert seen == "False unshare: unshare failed: Operation not permitted"


@as_root
def test_no_tun_device() -> None:
    assert seen_by("TUN_DEVICE", *hiding("/dev/net")) == "False No such file or directory"


def test_no_program_of_mininet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert examine(MININET) == (False, "no mnexec")


@as_root
def test_program_of_mininet_without_its_modules() -> None:
    if not examine(MININET)[0]:
        pytest.skip("Mininet is missing anyway")
    import mininet

    assert seen_by("MININET", *hiding(str(Path(mininet.__path__[0]).resolve()))).startswith("False No module named")


def test_first_thing_that_is_missing_is_told_in_one_line_with_the_remedy() -> None:
    def found() -> str:
        return "here"

    def denied() -> str:
        raise PermissionError(1, "Operation not permitted", "/dev/x")

    needs = [Need("a", found, "-"), Need("b", denied, "ask somebody"), Need("c", denied, "ask another")]
    with pytest.raises(MissingDependency) as caught:
        require(needs)
    assert str(caught.value) == "b: emulation in real time needs it (Operation not permitted): ask somebody"
    require(needs[:1])


def test_needs_of_this_machine_are_said_in_a_few_words() -> None:
    for need in NEEDS:
        _, detail = examine(need)
        assert detail
        assert "\n" not in detail
