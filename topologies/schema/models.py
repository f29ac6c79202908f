"""Section of `models`: where a model comes from."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from topologies.schema.base import Section, require_exactly_one, section_error

HUB_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)?$"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelSection(Section):
    """Source of a model: a package with trained weights, a folder, the Hugging Face Hub, or a shipped architecture with
    weights from a seed."""

    package: Literal["smollm2"] | None = None
    """Trained language model that is installed as a package."""
    folder: str | None = None
    """Folder with a Hugging Face causal language model (safetensors), or its GGUF file."""
    hub: Annotated[str, Field(pattern=HUB_NAME, max_length=200)] | None = None
    """Name of a causal language model on the Hugging Face Hub, which is downloaded once."""
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]*$", max_length=200)] | None = None
    """Branch, tag or commit of `hub`; default: main, as it is at the first download."""
    seed: str | None = None
    """Name of a shipped model (`airsplit models`) whose weights are drawn from a seed."""
    dtype: Literal["fp32", "fp16", "bf16"] = "fp32"
    """Precision in which weights are held and layers compute; not with `seed`."""
    profile: str | None = None
    """File of its profile; default: taken from its settings. Written into the scenario of a run's folder."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """SHA-256 of its files by their names; default: whatever is there. Written into the scenario of a run's folder."""

    @model_validator(mode="after")
    def _source(self) -> Self:
        require_exactly_one(self, "package", "folder", "hub", "seed")
        if self.revision is not None and self.hub is None:
            raise section_error("revision must be given with hub alone")
        if self.seed is not None and (self.dtype != "fp32" or self.profile is not None or self.sha256):
            raise section_error("seed must be given alone")
        return self


def _tag(value: Any) -> str:
    return "profile" if isinstance(value, str) else "source"


ModelEntry = Annotated[
    Annotated[str, Tag("profile")] | Annotated[ModelSection, Tag("source")],
    Discriminator(_tag),
]
