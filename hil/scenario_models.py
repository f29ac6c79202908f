"""The models of a scenario that are not shipped, as hosts compute them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from topologies.build.conversion import profiles_of
from topologies.models.chain import ModelPlan
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.sources import folder_of, settings_of
from topologies.profiles import profile_names
from topologies.schema.models import ModelSection
from topologies.schema.scenario import Scenario


class ScenarioModel(NamedTuple):
    """A model with a source of its own: its plan with weights; and, for hosts that have no file of it, the settings of
    its architecture and the precision of its weights."""

    plan: ModelPlan
    settings: Mapping[str, Any]
    dtype: str


def scenario_models(scenario: Scenario, folder: Path) -> dict[str, ScenarioModel]:
    """Return the models of a scenario's tasks that are not shipped, by the names of their profiles; relative paths
    start from `folder`.

    Raises ValueError, one line, for a model that cannot be used, MissingDependency for one out of reach.
    """
    found = {}
    for model, profile in profiles_of(scenario, folder).items():
        section = scenario.models.get(model)
        if isinstance(section, ModelSection) and profile.name not in profile_names():
            plan = folder_plan(profile.name, folder_of(section, folder), section.dtype)
            found[profile.name] = ScenarioModel(plan, settings_of(section, folder), section.dtype)
    return found
