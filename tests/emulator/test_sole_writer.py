"""Only one process at a time may write a file."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulator.core.files import sole_writer

HOLD = """
import sys, time
from pathlib import Path
from emulator.core.files import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "agent"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match=r"agent: another process writes it: wait"), sole_writer(file):
            pass
        with sole_writer(tmp_path / "other"):
            pass
        first.send_signal(signal.SIGKILL)
    with sole_writer(tmp_path / "." / "agent"):
        pass
    assert not list(tmp_path.iterdir())
