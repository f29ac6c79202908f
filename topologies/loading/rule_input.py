"""What the rules over several sections of a scenario look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emulator.profile import ModelProfile
from emulator.quality import QualityTable
from emulator.system import Node
from topologies.build.conversion import nodes_of, profiles_of, quality_of
from topologies.schema.scenario import Scenario


@dataclass(frozen=True)
class RuleInput:
    """A scenario whose sections are valid one by one, and the folder that its relative paths start from."""

    scenario: Scenario
    folder: Path

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """All nodes by name. Their devices must exist."""
        return nodes_of(self.scenario)

    @cached_property
    def models(self) -> dict[str, ModelProfile]:
        """The profiles of all models that tasks name. Raises ValueError, one line, for a malformed file."""
        return profiles_of(self.scenario, self.folder)

    @cached_property
    def quality(self) -> dict[str, QualityTable]:
        """The quality tables of the tasks that `cost.quality_s` names. Raises ValueError, one line, for a missing or
        malformed file."""
        return quality_of(self.scenario, self.models, self.folder)


def first_of_entries(found: Iterable[tuple[int, str]]) -> Iterable[str]:
    """Return the first text for each index of an entry: its copies have the same mistake."""
    first: dict[int, str] = {}
    for index, text in found:
        first.setdefault(index, text)
    return first.values()
