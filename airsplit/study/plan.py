"""Plan a study: its cells in their canonical order, and the trainings that they need."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from agents.learning.settings import check_settings
from agents.training import NOT_TRAINED_ON, environment_of
from agents.user_errors import import_failure
from airsplit.study.digests import digest, policy_contents, system_contents, system_sha256
from airsplit.study.parts import ScenarioInputs, StudyCell, StudyTraining
from emulator.core.errors import Mistakes
from emulator.core.randomness import draw_key
from results.study.cell_table import CELL_COLUMNS, CELLS_FILE
from topologies.loading.contents import contents_sha256
from topologies.loading.study import LoadedStudy, Setting
from topologies.schema.policies import CustomSection, LearnedSection
from topologies.schema.scenario import Scenario
from topologies.schema.study import SeedsSection, Value, seeds_from
from topologies.user_modules import load_class


class PlannedCell(NamedTuple):
    """A cell, and what the table of cells has to say of it besides its policy. Two of them may have the same cell:
    settings that differ by name alone."""

    cell: StudyCell
    variant: str
    parameters: Mapping[str, Value]
    channel_seed: int
    arrival_seed: int
    training_seed: int | None
    repetition: int

    @property
    def identity(self) -> dict[str, object]:
        """The columns of the table of cells that are known before the cell is run."""
        seeds = ("channel_seed", "arrival_seed", "training_seed", "repetition")
        return {
            "cell": self.cell.digest,
            "variant": self.variant,
            **self.parameters,
            **{name: getattr(self, name) for name in seeds},
            "policy": self.cell.label,
        }


class StudyPlan(NamedTuple):
    """All cells of a study in canonical order, the trainings that they need by digest, and the names of the swept
    parameters."""

    cells: tuple[PlannedCell, ...]
    trainings: Mapping[str, StudyTraining]
    parameters: tuple[str, ...]


class SystemSeeds(NamedTuple):
    """The seeds of one system of a setting; `seed` is that of the scenario."""

    channel: int
    arrivals: int
    repetition: int
    seed: int


def plan_study(loaded: LoadedStudy) -> StudyPlan:
    """Return the plan of a study. Raises Mistakes for a parameter with the name of a column, and for policies that can
    be seen to be impossible."""
    lines = [
        f"{loaded.file.name}: grid.{name}: must have another name, {CELLS_FILE} has a column {name}"
        for name in loaded.parameters
        if name in CELL_COLUMNS
    ]
    home = loaded.scenario_file.parent
    lines += dict.fromkeys(
        f"{loaded.file.name}: {line}" for setting in loaded.settings for line in _impossible(setting.scenario, home)
    )
    if lines:
        raise Mistakes(lines)
    trainings: dict[str, StudyTraining] = {}
    cells = [each for setting in loaded.settings for each in _cells_of(setting, loaded, home, trainings)]
    return StudyPlan(tuple(cells), trainings, loaded.parameters)


def _impossible(scenario: Scenario, home: Path) -> Iterator[str]:
    """Yield a line for each policy with a setting that its algorithm does not have, or a class that is not there."""
    for index, section in enumerate(scenario.policies):
        try:
            if isinstance(section, LearnedSection) and section.checkpoint is None:
                check_settings(section.type, section.settings)
            elif isinstance(section, CustomSection):
                _require_class(section.type, home)
        except ValueError as error:
            yield from (f"policies[{index}]: {line}" for line in str(error).splitlines())


def _require_class(kind: str, home: Path) -> None:
    try:
        load_class(kind, home)
    except (Exception, SystemExit) as error:  # the user's module can raise anything
        raise ValueError(
            f"type={kind}: must be a class that can be imported ({import_failure(kind, error)})"
        ) from error


def _cells_of(
    setting: Setting, loaded: LoadedStudy, home: Path, trainings: dict[str, StudyTraining]
) -> Iterator[PlannedCell]:
    """Yield the cells of a setting. Policies that are not trained have one cell a system, the others one for each
    training seed."""
    scenario, study = setting.scenario, loaded.study
    contents = system_contents(scenario, home)
    policies = [policy_contents(section, home) for section in scenario.policies]
    seeds = seeds_from(scenario.training.seed, study.seeds.training)

    @cache
    def training_of(policy: int, seed: int) -> StudyTraining:
        return _training(scenario, home, policy, seed)

    for draws in _draws(scenario, study.seeds, study.repetitions):
        drawn = scenario.model_copy(update={"seed": draws.seed, "channel_seed": draws.channel})
        inputs = ScenarioInputs(system_sha256(contents, drawn), drawn, home)
        for policy, section in enumerate(scenario.policies):
            is_trained = isinstance(section, LearnedSection) and section.checkpoint is None
            for seed in seeds if is_trained else (None,):
                training = "" if seed is None else training_of(policy, seed).digest
                if seed is not None:
                    trainings.setdefault(training, training_of(policy, seed))
                key = digest("cell", inputs.digest, policies[policy], training, study.bound)
                cell = StudyCell(key, inputs, policy, training, study.bound)
                yield PlannedCell(
                    cell, setting.variant, setting.parameters, draws.channel, draws.arrivals, seed, draws.repetition
                )


def _draws(scenario: Scenario, seeds: SeedsSection, repetitions: int) -> Iterator[SystemSeeds]:
    """Yield the seeds of all systems of a setting. Repetition 0 has the seed of the arrivals itself."""
    channels = seeds_from(scenario.seed_of_channels, seeds.channel)
    if seeds.arrivals is None:
        pairs = list(zip(channels, seeds_from(scenario.seed, seeds.channel), strict=True))
    else:
        pairs = list(product(channels, seeds_from(scenario.seed, seeds.arrivals)))
    for channel, arrivals in pairs:
        for repetition in range(repetitions):
            seed = draw_key(arrivals, "repetition", str(repetition)) if repetition else arrivals
            yield SystemSeeds(channel, arrivals, repetition, seed)


def _training(scenario: Scenario, home: Path, policy: int, seed: int) -> StudyTraining:
    """Return the training of a learned policy with a seed. Settings that differ in what is not trained on share it."""
    section = scenario.policies[policy]
    assert isinstance(section, LearnedSection)
    seeded = scenario.model_copy(update={"training": scenario.training.model_copy(update={"seed": seed})})
    inputs = ScenarioInputs(digest("course", contents_sha256(seeded, home, NOT_TRAINED_ON)), seeded, home)
    key = digest("training", inputs.digest, section.type, section.settings, environment_of(scenario, section))
    return StudyTraining(key, inputs, section)
