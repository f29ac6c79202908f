"""The models of a scenario that are not shipped, as workers compute them. Importing this imports torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from topologies.build.own_models import own_models
from topologies.models.chain import ModelPlan
from topologies.models.language.folder_plan import folder_plan
from topologies.schema.scenario import Scenario


class ScenarioModel(NamedTuple):
    """A model with a source of its own: its plan with weights; and, for workers that have no file of it, the settings
    of its architecture and the precision of its weights."""

    plan: ModelPlan
    settings: Mapping[str, Any]
    dtype: str


def scenario_models(scenario: Scenario, folder: Path) -> dict[str, ScenarioModel]:
    """Return the models of a scenario's tasks that are not shipped, by name. Raises as `own_models`."""
    return {
        name: ScenarioModel(folder_plan(name, own.folder, own.dtype), own.folder.config, own.dtype)
        for name, own in own_models(scenario, folder).items()
    }
