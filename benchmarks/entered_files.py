"""Find the source files that one simulated task runs through, from its arrival to its record.

An engine runs a system of one link after another and a server twice, with one task and with two of the same kind. A
function belongs to a task if it is entered more often the second time; what is prepared once for all tasks of a kind
does not count. Compiled functions cannot be watched: those that the task's files refer to count, and those that
compiled functions refer to in turn, but for cells, of which the system has none.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from benchmarks.tasks import Engine, workload
from emulator.core.units import NS_PER_S
from emulator.record import Records
from emulator.task import Task
from emulator.workload import Stream


@dataclass(frozen=True)
class GivenTasks(Stream):
    """A stream that draws nothing: its `count` tasks arrive one second after another."""

    count: int = 0

    def tasks(self, seed: int, duration_ns: int) -> Iterator[Task]:
        return iter([Task(self.source, self.kind, number, (number + 1) * NS_PER_S) for number in range(self.count)])


class Entries:
    """How often each Python function below `root` was entered, with its module's globals."""

    def __init__(self, root: Path) -> None:
        self.root = str(root / "emulator")
        self.counts: dict[CodeType, int] = {}
        self.globals: dict[CodeType, dict[str, Any]] = {}

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """Count the entry of a function: for `sys.setprofile`."""
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(self.root) and code.co_name != "<module>":
            self.counts[code] = self.counts.get(code, 0) + 1
            self.globals[code] = frame.f_globals


def entered_files(engine: Engine, root: Path) -> set[str]:
    """Return the paths below `root` of the files whose functions one task enters."""
    one, busy = (entries(engine, count, root) for count in (1, 2))
    files = {code.co_filename for code, count in busy.counts.items() if count > one.counts.get(code, 0)}
    cells = str(root / "emulator" / "cell")
    watched = [(code, names) for code, names in busy.globals.items() if code.co_filename in files]
    compiled = {code.co_filename for code in compiled_functions(watched) if code.co_filename.startswith(busy.root)}
    return {str(Path(file).relative_to(root)) for file in files | compiled if not file.startswith(cells)}


def entries(engine: Engine, tasks: int, root: Path) -> Entries:
    """Run an engine with so many tasks, and count the functions that it enters."""
    system = workload(1, 10 * NS_PER_S)
    stream = system.streams[0]
    system = replace(system, streams=(GivenTasks(stream.source, stream.kind, stream.arrivals, count=tasks),))
    found = Entries(root)
    before = sys.getprofile()
    with tempfile.TemporaryDirectory() as folder, Records(Path(folder)) as records:
        sys.setprofile(found.note)
        try:
            engine(system, records)
        finally:
            sys.setprofile(before)
    return found


def compiled_functions(start: Iterable[tuple[CodeType, dict[str, Any]]]) -> set[CodeType]:
    """Return the compiled functions that functions refer to by global names, directly or through one another."""
    found: set[CodeType] = set()
    pending = list(start)
    while pending:
        code, names = pending.pop()
        for value in global_values(code, names):
            for function in python_functions(value):
                if function.__code__ not in found:
                    found.add(function.__code__)
                    pending.append((function.__code__, function.__globals__))
    return found


def global_values(code: CodeType, names: dict[str, Any]) -> Iterator[object]:
    """Yield what the global names in a function's code stand for, and the attributes `module.name`."""
    codes = [code]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in code.co_names:
            if name in names:
                value = names[name]
                yield value
                if isinstance(value, ModuleType):
                    attributes = vars(value)  # without those that a library computes, such as numpy's deprecated ones
                    yield from (attributes.get(other) for other in code.co_names)


def python_functions(value: object) -> Iterator[Any]:
    """Yield the Python function of a compiled function, or of those that an object holds as attributes."""
    held = [] if isinstance(value, ModuleType | type) else list(getattr(value, "__dict__", {}).values())
    for each in (value, *held):
        function = getattr(each, "py_func", None)
        if function is not None:
            yield function
