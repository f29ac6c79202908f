"""The parts of a study that can be run anywhere: cells, the trainings that they need, and what comes of them.

A part is picklable and content-addressed: its digest is over all that its outcome depends on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario


@dataclass(frozen=True)
class ScenarioInputs:
    """A scenario, the folder that its relative paths start from, and the digest of what a part uses of them: parts with
    one digest can share a system, or the episodes of a training."""

    digest: str
    scenario: Scenario = field(compare=False, repr=False)
    home: Path = field(compare=False)


class StudyTraining(NamedTuple):
    """A learned policy with one training seed, which is that of the scenario. Its outcome has the checkpoint."""

    digest: str
    inputs: ScenarioInputs
    section: LearnedSection

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"training of {label_of(self.section)} with seed {self.inputs.scenario.training.seed}"


class StudyCell(NamedTuple):
    """One policy's run on one channel, with the seeds of the scenario; its outcome has the rows of its tasks.

    `policy` is the policy's place in the scenario. `training`: the digest of the training whose agent it runs; empty if
    it is not trained. `bounded`: whether its rows are compared with the bound of the system.
    """

    digest: str
    inputs: ScenarioInputs
    policy: int
    training: str
    bounded: bool

    @property
    def label(self) -> str:
        """The label of the policy."""
        return self.inputs.scenario.labels[self.policy]

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"cell of {self.label}"


class StudyJob(NamedTuple):
    """A part to run, the bytes of the checkpoint that it needs, if any, and whether channels and agents are kept in the
    user's cache."""

    part: StudyCell | StudyTraining
    checkpoint: bytes = b""
    cached: bool = True


class PartOutcome(NamedTuple):
    """What comes of a part: the bytes of its file and facts, plain data; or else why it failed, in one line."""

    content: bytes = b""
    facts: Mapping[str, Any] = {}
    failure: str = ""


class Executor(Protocol):
    """Whatever runs jobs by `airsplit.study.execution.run_job`, here or elsewhere."""

    def submit(self, job: StudyJob) -> None:
        """Add a job, also between two outcomes."""

    def outcomes(self) -> Iterator[tuple[StudyJob, PartOutcome]]:
        """Yield each job with its outcome as soon as it ends, in any order, until none is left."""
