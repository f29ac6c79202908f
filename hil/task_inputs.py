"""What a task's input is, shared by the coordinator and the schedule of the stations."""

from emulator.core import randomness
from emulator.system import System
from emulator.task import Task
from emulator.workload import Stream, TaskImage, chosen_image, chosen_prompt
from topologies.datasets.task_images import pixels_of


def input_seed(system: System, task: Task) -> int:
    """Return the seed that a task's input is drawn from if it has no text and no image: the same under every policy and
    placement."""
    drawn = randomness.address(system.seed, task.source, f"input of {task.kind.name}", task.number)
    return int.from_bytes(drawn[:8], "little") >> 1


def input_prompt(system: System, task: Task) -> tuple[int, ...]:
    """Return the token ids of the text that a task has, the same under every policy and placement; none without."""
    stream = _stream(system, task)
    if stream is None or stream.tokens is None or not stream.tokens.prompts:
        return ()
    return stream.tokens.prompts[chosen_prompt(system.seed, task, len(stream.tokens.prompts))]


def input_image(system: System, task: Task) -> TaskImage | None:
    """Return the image that a task has, the same under every policy and placement; None without."""
    stream = _stream(system, task)
    return None if stream is None or stream.images is None else chosen_image(system.seed, task, stream.images)


def require_images(system: System) -> None:
    """Raise MissingDependency, one line, if a data set of which tasks have images is not installed; ValueError for a
    file that is no image."""
    for images, side in {(each.images, each.kind.model.input_shape[-1]) for each in system.streams}:
        for name in images.files or (images.dataset,) if images is not None else ():
            pixels_of(TaskImage(name, 0), side)


def _stream(system: System, task: Task) -> Stream | None:
    key = (task.source, task.kind.name)
    return next((each for each in system.streams if (each.source, each.kind.name) == key), None)
