"""Repeat a finished run from the inputs in its folder, to compare the records."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from agents.evaluation import policies_of
from agents.split_inference.checkpoint import Checkpoint
from airsplit.emulation_run import simulate_one
from airsplit.simulation_run import run_policies
from airsplit.stored_run import load_stored
from emulator.core.files import file_sha256
from emulator.policy import Policy
from emulator.record import Records, records_sha256
from emulator.simulation.replayed_compute import Replayed
from emulator.system import System
from results.progress import RunProgress
from results.run.folder import open_run, verify
from results.run.manifest import RECORDS, Manifest
from topologies.build.emulation_scope import EMULATED_SUFFIX
from topologies.user_modules import MODULES_FOLDER


class Repetition(NamedTuple):
    """The digests of a run's records, stored and repeated. `packet_mismatch` says how the packets of an emulation
    differ from simulated ones; it is empty if they agree. `notes` name the user's modules that have changed since."""

    stored_sha256: str
    records_sha256: str
    packet_mismatch: str = ""
    notes: tuple[str, ...] = ()


def repeat_run(folder: Path, progress: RunProgress) -> Repetition:
    """Repeat a run from its stored traces, checkpoints and times.

    Raises ValueError, one line, if the folder holds no finished run or a file has changed since.
    """
    finished = open_run(folder)
    verify(finished)
    scenario, system = load_stored(folder, finished.manifest.facts.rung)
    require_repeatable(finished.manifest.facts.rung, system)
    checkpoints = {path.stem: Checkpoint.load(path) for path in sorted((folder / "checkpoints").glob("*.safetensors"))}
    make_policies = partial(policies_of, scenario, folder, system, checkpoints)
    mismatch = ""
    with progress, tempfile.TemporaryDirectory() as scratch:
        if finished.manifest.facts.rung == "emu":
            mismatch = _repeat_emulation(folder, system, make_policies(), Path(scratch))
        else:
            replayed = partial(Replayed, folder, system=system) if finished.manifest.facts.rung == "hil" else None
            run_policies(scenario, make_policies, system, replayed, Path(scratch), progress)
        columns = {name for file in RECORDS for name in pq.read_schema(folder / file).names}  # an older run has fewer
        again = records_sha256([Path(scratch) / name for name in RECORDS], columns)
    notes = tuple(changed_modules(finished.manifest))
    return Repetition(finished.manifest.records_sha256, again, mismatch, notes)


def changed_modules(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each module of the user's whose file, found as by the command of the run if it were called here,
    differs from the run's copy."""
    scenarios = [str(Path(word).parent) for word in manifest.command if word.endswith((".yaml", ".yml"))]
    for copy, sha256 in manifest.module_sha256.items():
        places = (Path(place) / Path(copy).relative_to(MODULES_FOLDER) for place in (*scenarios, *sys.path))
        file = next(filter(Path.is_file, places), None)
        if file is not None and file_sha256(file) != sha256:
            yield f"{copy}: the run was repeated with this copy, from which {file} now differs"


def require_repeatable(rung: str, system: System) -> None:
    """Raise ValueError for a run of hardware in the loop in which failures end tasks or let them start again: its
    records lack the times of interrupted partitions and of earlier attempts."""
    if rung == "hil" and system.failures and system.on_failure != "wait":
        given = f"failures.on_failure={system.on_failure}"
        raise ValueError(f"scenario.yaml: {given}: must be wait to repeat a run of hardware in the loop")


def _repeat_emulation(folder: Path, system: System, policies: Mapping[str, Policy], scratch: Path) -> str:
    """Write the records of an emulation to `scratch`: simulated rows anew, real ones from the stations' files.

    Return how the simulated links treat the logged packets otherwise than the relay did; empty if they agree.
    """
    from hil.stations.files import append_real_tasks
    from results.agreement.checks import agreement

    with Records(scratch) as records:
        ((label, _),) = simulate_one(system, policies, records)[0].items()
        append_real_tasks(records, label + EMULATED_SUFFIX, folder)
    found = agreement(folder, system)
    return "" if found.complete else f"{found.missing} are missing; {found.first}"
