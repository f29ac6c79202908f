"""Run a part of a study: a pure function of the part and of the files that its scenario names."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from agents.evaluation import named_checkpoints, policies_of
from agents.split_inference.bound import bounds
from agents.split_inference.checkpoint import Checkpoint, require_unseen
from agents.training import Course
from agents.user_errors import in_one_line
from airsplit.study.digests import system_contents, system_sha256
from airsplit.study.parts import PartOutcome, ScenarioInputs, StudyCell, StudyJob, StudyTraining
from emulator.core.cache import Cache, user_cache
from emulator.policy import LITTLE_LIMIT
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import System
from results.bound_check import LIMIT, worst_shortfall
from results.run.manifest import BOUND_FILE
from results.run.tables import TASK_KEY
from results.statistics import policies_of as groups_of
from results.statistics import rows_of, summary_row, with_costs
from topologies.build import build
from topologies.schema.policies import label_of

SYSTEMS_KEPT = 2  # in a process: cells of one system follow one another


def run_job(job: StudyJob) -> PartOutcome:
    """Run a cell or a training. Whatever fails is an outcome with the reason."""
    try:
        return run_training(job.part, job.cached) if isinstance(job.part, StudyTraining) else run_cell(job.part, job)
    except ValueError as error:
        return PartOutcome(failure=" ".join(str(error).split()))
    except Exception as error:  # whatever it is, the other parts are still worth running
        return PartOutcome(failure=in_one_line(error))


def run_cell(cell: StudyCell, job: StudyJob) -> PartOutcome:
    """Simulate a cell. The facts are the columns of the table of cells that follow from its rows."""
    prepared = prepared_system(cell.inputs, job.cached)
    scenario, home, system = cell.inputs.scenario, cell.inputs.home, prepared.system
    alone = scenario.model_copy(update={"policies": (scenario.policies[cell.policy],)})
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if cell.training:
            (folder / "agent").write_bytes(job.checkpoint)
            checkpoints = {cell.label: Checkpoint.load(folder / "agent")}
            require_unseen(checkpoints[cell.label], system)
        else:
            checkpoints = named_checkpoints(alone, home, system)
        ((label, policy),) = policies_of(alone, home, system, checkpoints).items()
        with Records(folder) as records:
            totals = Simulation(system).run(policy, label, records)
        if totals.little_error > LITTLE_LIMIT:
            raise ValueError(f"Little's law: its error {totals.little_error:g} must be at most {LITTLE_LIMIT:g}")
        rows = folder / "tasks.parquet"
        facts = {**prepared.summary_of(label, rows, cell.bounded), "unit": prepared.unit}
        return PartOutcome(rows.read_bytes(), {**facts, "rows_sha256": records_sha256([rows])})


def run_training(training: StudyTraining, cached: bool) -> PartOutcome:
    """Train an agent. The facts are its learning curve and the digest of its weights."""
    seed, section = training.inputs.scenario.training.seed, training.section
    checkpoint, curve = course_of(training.inputs, cached).train(label_of(section), section, seed)
    with TemporaryDirectory() as scratch:
        path = Path(scratch, "agent.safetensors")
        checkpoint.save(path)
        return PartOutcome(path.read_bytes(), {"curve": curve, "sha256": checkpoint.sha256})


@lru_cache(1)
def course_of(inputs: ScenarioInputs, cached: bool) -> Course:
    """Return what trains agents on the episodes of a scenario, which are made at the first training."""
    return Course(inputs.scenario, inputs.home, lambda *_: None, {}, user_cache() if cached else Cache())


@lru_cache(SYSTEMS_KEPT)
def prepared_system(inputs: ScenarioInputs, cached: bool) -> "PreparedSystem":
    """Build a system; if `cached`, its channels come from the user's cache or are kept there. Raises ValueError if a
    file has changed since the study was planned."""
    scenario, home = inputs.scenario, inputs.home
    if system_sha256(system_contents(scenario, home), scenario) != inputs.digest:
        raise ValueError(
            f"{home}: files of the scenario, and airsplit, must not change while a study runs: run it again"
        )
    return PreparedSystem(build(scenario, home, cache=user_cache() if cached else Cache()))


@dataclass(frozen=True)
class PreparedSystem:
    """A system with what all its cells share."""

    system: System

    @cached_property
    def bound(self) -> pd.Series:
        """The bound of each task by source, kind and number."""
        bound: pd.Series = bounds(self.system).to_pandas().set_index(TASK_KEY)["bound_s"]
        return bound

    @cached_property
    def unit(self) -> str:
        """A digest of the channel: of the links whose traces were generated or recorded, or of all if none was."""
        varying = [link for link in self.system.links if link.trace.lineage] or self.system.links
        sums = (f"{link.source} {link.target} {link.trace.sha256}" for link in varying)
        return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:16]

    def summary_of(self, label: str, rows: Path, bounded: bool) -> Mapping[str, object]:
        """Return the summary of a policy from the file of its rows. Raises ValueError if a task costs less than its
        bound."""
        units = {link.source: link.trace.sha256 for link in reversed(self.system.links)}
        bound, bound_path = self.bound if bounded else None, rows.with_name(BOUND_FILE)
        tasks = rows_of(rows, label, groups_of(rows).get(label, []))
        if bound is not None:
            worst = worst_shortfall(tasks, self.system.cost, bound, self.system.placements, bound_path) or 0.0
            if not worst <= LIMIT:
                raise ValueError(f"cost at least the bound: a task's cost is below it by {worst:g} of it")
        summary = summary_row(label, with_costs(tasks, self.system.cost, units, bound, bound_path))
        return {name: value for name, value in summary.items() if name != "policy"}
