"""`make bench-realtime`: a JSON object a line on standard output as soon as it is measured, progress on standard error.

As root. Exit code 1 if a benchmark failed, 4 if a requirement is not met. Links between two hosts are measured in a
sandbox, emulations make their own. With the word `short`, links alone for seconds instead of minutes: a smoke test.
"""

import shutil
import sys

from benchmarks.realtime import ceiling, emulations, rates, schedule
from benchmarks.realtime.lengths import FULL, SHORT
from benchmarks.rows import FAILED, interruptible_children, run_benchmarks
from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import inside, run_inside
from emulator.realtime.sandbox.requirements import REQUIREMENTS as EMULATION
from emulator.realtime.sandbox.requirements import Requirement, require
from results.run.machine import machine_now

UNMET = 4  # exit code


def program(name: str, package: str) -> Requirement:
    """Require a measuring program."""

    def find() -> str:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"no {name}")
        return found

    return Requirement(name, find, f"apt-get install {package}")


REQUIREMENTS = (*EMULATION, program("iperf3", "iperf3"), program("ping", "iputils-ping"))


def main(words: list[str]) -> int:
    """Run the benchmarks and return the exit code. This process runs those of links again, in a sandbox."""
    lengths = SHORT if "short" in words else FULL
    machine = {"machine": this_machine()}
    if inside():
        links = schedule.benchmarks(lengths) | rates.benchmarks(lengths) | ceiling.benchmarks(lengths)
        return run_benchmarks(links, extra=machine)
    try:
        require(REQUIREMENTS)
    except MissingDependency as error:
        print(error, file=sys.stderr)
        return UNMET
    code = run_inside([sys.executable, "-m", "benchmarks.realtime", *words])
    if code not in (0, FAILED):  # the run was ended
        return code
    with interruptible_children():  # some emulations are killed by SIGINT
        return max(code, run_benchmarks(emulations.benchmarks(lengths), extra=machine))


def this_machine() -> str:
    """Describe processor, cores and kernel."""
    machine = machine_now({})
    return f"{machine.cpu_model}, {machine.cores} cores, {machine.system}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
