"""The seed of a task's input, shared by the coordinator and the schedule of the stations."""

from emulator.core import randomness
from emulator.system import System
from emulator.task import Task


def input_seed(system: System, task: Task) -> int:
    """Return the seed that a task's input is drawn from: the same under every policy and placement."""
    drawn = randomness.address(system.seed, task.source, f"input of {task.kind.name}", task.number)
    return int.from_bytes(drawn[:8], "little") >> 1
