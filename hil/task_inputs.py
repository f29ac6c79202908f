"""What a task's input is, shared by the coordinator and the schedule of the stations."""

from emulator.core import randomness
from emulator.system import System
from emulator.task import Task
from emulator.workload import chosen_prompt


def input_seed(system: System, task: Task) -> int:
    """Return the seed that a task's input without a text is drawn from: the same under every policy and placement."""
    drawn = randomness.address(system.seed, task.source, f"input of {task.kind.name}", task.number)
    return int.from_bytes(drawn[:8], "little") >> 1


def input_prompt(system: System, task: Task) -> tuple[int, ...]:
    """Return the token ids of the text that a task has, the same under every policy and placement; none without."""
    key = (task.source, task.kind.name)
    tokens = next((each.tokens for each in system.streams if (each.source, each.kind.name) == key), None)
    if tokens is None or not tokens.prompts:
        return ()
    return tokens.prompts[chosen_prompt(system.seed, task, len(tokens.prompts))]
