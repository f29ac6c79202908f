"""The language models of a scenario that are not shipped, and where their files are. Imports no torch."""

from pathlib import Path
from typing import NamedTuple

from topologies.build.conversion import profiles_of
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.sources import folder_of
from topologies.profiles import profile_names
from topologies.schema.models import ModelSection
from topologies.schema.scenario import Scenario


class OwnModel(NamedTuple):
    """The folder of a model with a source of its own, and the precision in which its weights are held."""

    folder: ModelFolder
    dtype: str


def own_models(scenario: Scenario, folder: Path) -> dict[str, OwnModel]:
    """Return the models of a scenario's tasks that are not shipped, by the names of their profiles; relative paths
    start from `folder`.

    Raises ValueError, one line, for a model that cannot be used, MissingDependency for one out of reach.
    """
    found = {}
    for model, profile in profiles_of(scenario, folder).items():
        section = scenario.models.get(model)
        if isinstance(section, ModelSection) and profile.name not in profile_names():
            found[profile.name] = OwnModel(folder_of(section, folder), section.dtype)
    return found
