"""The plan of a language model in a folder."""

from functools import partial

from topologies.models.chain import DTYPES, ModelPlan
from topologies.models.language.architecture import configuration_of, language_plan
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.stored_weights import StoredWeights


def folder_plan(name: str, folder: ModelFolder, weight_dtype: str = "fp32") -> ModelPlan:
    """Return the plan of the model in a folder, with its stored weights. Raises ValueError, one line, for settings that
    cannot be used."""
    weights = partial(StoredWeights, lambda: folder.weight_files, dtype=DTYPES[weight_dtype])
    return language_plan(name, configuration_of(folder.config), weight_dtype, weights)
