"""`make bench-realtime`: all rows as one JSON list on standard output, progress on standard error.

As root, in private namespaces of its own; exit code 4 where something is missing. With the word `short`, seconds
instead of minutes: whether it works at all.
"""

import json
import shutil
import sys

from benchmarks.realtime import ceiling, rates, schedule
from benchmarks.realtime.rows import FULL, SHORT
from emulator.errors import MissingDependency
from emulator.realtime.needs import ROOT, TUN_DEVICE, Need, require
from emulator.realtime.world import inside, run_inside
from results.machine import machine_now

MISSING = 4


def program(name: str, package: str) -> Need:
    """A program that measures."""

    def look() -> str:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"no {name}")
        return found

    return Need(name, look, f"apt-get install {package}")


NEEDS = (ROOT, TUN_DEVICE, program("iperf3", "iperf3"), program("ping", "iputils-ping"))


def main(words: list[str]) -> int:
    """The command's exit code."""
    try:
        require(NEEDS)
    except MissingDependency as error:
        print(error, file=sys.stderr)
        return MISSING
    if not inside():
        return run_inside([sys.executable, "-m", "benchmarks.realtime", *words])
    lengths = SHORT if "short" in words else FULL
    rows = [*schedule.rows(lengths), *rates.rows(lengths), *ceiling.rows(lengths)]
    machine = this_machine()
    json.dump([each | {"machine": machine} for each in rows], sys.stdout, indent=2)
    print()
    return 0


def this_machine() -> str:
    """Processor, cores and kernel."""
    machine = machine_now({})
    return f"{machine.cpu_model}, {machine.cores} cores, {machine.system}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
