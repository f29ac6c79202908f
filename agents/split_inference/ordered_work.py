"""The work that a policy has ordered and not heard the end of."""

from collections import Counter

from emulator.ended_task import EndedTask
from emulator.policy import Observation
from emulator.task import Placement, Task


class OrderedWork:
    """Service times, by the profile, that a policy's decisions have ordered from each node, of tasks whose end it has
    not heard. An observed backlog is as old as the observation and lacks the tasks that are on their way; these are in
    here."""

    def __init__(self) -> None:
        self.work_ns: Counter[str] = Counter()
        self._tasks: dict[tuple[str, str, int], Counter[str]] = {}

    def add(self, observation: Observation, placement: Placement) -> None:
        """Add a decision. One on a task that a failure interrupted replaces the one before."""
        task = observation.task
        self._remove(task)
        prompt, later = task.prompt_tokens, max(0, task.output_tokens - 1)
        work_ns: Counter[str] = Counter()
        for node, first, stop, _ in placement:
            work_ns[node] += observation.service_ns(node, first, stop, max(prompt, 1), prompt // 2)
            work_ns[node] += later * observation.service_ns(node, first, stop, 1, prompt)
        self._tasks[_key(task)] = work_ns
        self.work_ns.update(work_ns)

    def hear(self, ended: EndedTask) -> None:
        """Take a task that has ended (`LearningPolicy.hear`)."""
        self._remove(ended.task)

    def _remove(self, task: Task) -> None:
        self.work_ns.subtract(self._tasks.pop(_key(task), Counter()))


def _key(task: Task) -> tuple[str, str, int]:
    return task.source, task.kind.name, task.number
