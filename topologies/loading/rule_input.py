"""What the rules over several sections of a scenario look at."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emulator.profile import ModelProfile
from emulator.system import Node
from topologies.build.conversion import nodes_of, profiles_of
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


def first_of_entries(found: Iterable[tuple[int, str]]) -> Iterable[str]:
    """Return the first text for each index of an entry: its copies have the same mistake."""
    first: dict[int, str] = {}
    for index, text in found:
        first.setdefault(index, text)
    return first.values()
