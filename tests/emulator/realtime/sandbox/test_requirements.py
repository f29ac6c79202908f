"""Requirements that are not met: for real, in a mount namespace that hides them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox.requirements import MININET, REQUIREMENTS, Requirement, check, require

TREE = Path(__file__).parents[4]
ASK = "from emulator.realtime.sandbox.requirements import {0}, check; print(*check({0}))"

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
        "import os; from emulator.realtime.sandbox.requirements import ROOT_USER, check\n"
        "os.setuid(65534); print(*check(ROOT_USER))"
    )
    done = subprocess.run([sys.executable, "-c", who], cwd=TREE, capture_output=True, text=True, check=True)
    assert done.stdout == "False this is user id 65534\n"


@as_root
def test_root_that_may_not_make_namespaces_as_in_a_container() -> None:
    seen = seen_by("PRIVATE_NAMESPACES", "setpriv", "--bounding-set=-sys_admin")
    assert seen == "False unshare: unshare failed: Operation not permitted"


@as_root
def test_no_tun_device() -> None:
    assert seen_by("TUN_DEVICE", *hiding("/dev/net")) == "False No such file or directory"


def test_no_program_of_mininet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert check(MININET) == (False, "no mnexec")


@as_root
def test_program_of_mininet_without_its_modules() -> None:
    if not check(MININET)[0]:
        pytest.skip("Mininet is missing anyway")
    import mininet

    assert seen_by("MININET", *hiding(str(Path(mininet.__path__[0]).resolve()))).startswith("False No module named")


def test_first_unmet_requirement_is_reported_in_one_line_with_the_remedy() -> None:
    def found() -> str:
        return "here"

    def denied() -> str:
        raise PermissionError(1, "Operation not permitted", "/dev/x")

    requirements = [
        Requirement("a", found, "-"),
        Requirement("b", denied, "ask somebody"),
        Requirement("c", denied, "ask another"),
    ]
    with pytest.raises(MissingDependency) as caught:
        require(requirements)
    assert str(caught.value) == "b: emulation in real time needs it (Operation not permitted): ask somebody"
    require(requirements[:1])


def test_requirements_of_this_machine_are_described_in_a_few_words() -> None:
    for requirement in REQUIREMENTS:
        _, detail = check(requirement)
        assert detail
        assert "\n" not in detail
