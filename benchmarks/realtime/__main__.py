"""`make bench-realtime`: all rows as one JSON list on standard output, progress on standard error.

As root; exit code 4 where something is missing. What is between two hosts is measured in a private world, emulations
make their own. With the word `short`, links alone and seconds instead of minutes: whether it works at all.
"""

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.realtime import ceiling, emulations, rates, schedule
from benchmarks.realtime.rows import FULL, SHORT, Lengths, Row
from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import inside, run_inside
from emulator.realtime.sandbox.requirements import NEEDS as EMULATION
from emulator.realtime.sandbox.requirements import Need, require
from results.run.machine import machine_now

MISSING = 4
ROWS = "rows.json"


def program(name: str, package: str) -> Need:
    """A program that measures."""

    def look() -> str:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"no {name}")
        return found

    return Need(name, look, f"apt-get install {package}")


NEEDS = (*EMULATION, program("iperf3", "iperf3"), program("ping", "iputils-ping"))


def main(words: list[str]) -> int:
    """The command's exit code. Inside a world, the last word is a folder for the rows."""
    lengths = SHORT if "short" in words else FULL
    if inside():
        (Path(words[-1]) / ROWS).write_text(json.dumps(rows_between_hosts(lengths)))
        return 0
    try:
        require(NEEDS)
    except MissingDependency as error:
        print(error, file=sys.stderr)
        return MISSING
    with TemporaryDirectory() as folder:
        code = run_inside([sys.executable, "-m", "benchmarks.realtime", *words, folder])
        if code:
            return code
        rows: list[Row] = json.loads((Path(folder) / ROWS).read_text())
    machine = this_machine()
    json.dump([each | {"machine": machine} for each in [*rows, *emulations.rows(lengths)]], sys.stdout, indent=2)
    print()
    return 0


def rows_between_hosts(lengths: Lengths) -> list[Row]:
    """Points 1 to 3."""
    return [*schedule.rows(lengths), *rates.rows(lengths), *ceiling.rows(lengths)]


def this_machine() -> str:
    """Processor, cores and kernel."""
    machine = machine_now({})
    return f"{machine.cpu_model}, {machine.cores} cores, {machine.system}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
