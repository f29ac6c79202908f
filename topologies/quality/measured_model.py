"""The models that can be measured: the shipped trained ones, and language models in a folder or on the Hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from topologies.models.chain import ModelPlan
from topologies.models.digests import source_digests
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.packages import shipped_folder
from topologies.models.language.sources import folder_of
from topologies.models.registry import model_plan
from topologies.schema.messages import translate
from topologies.schema.models import ModelSection

SOURCES = ("folder", "hub")


@dataclass(frozen=True)
class MeasuredModel:
    """A model with trained weights, in the precision of its plan. `source`: its section in a scenario, or its name if
    it is shipped."""

    plan: ModelPlan
    source: str | ModelSection

    @property
    def folder(self) -> ModelFolder:
        """The files of a language model. Raises MissingDependency for a shipped one that is not installed."""
        return shipped_folder(self.source) if isinstance(self.source, str) else folder_of(self.source, Path())

    @property
    def files(self) -> Mapping[str, str]:
        """The SHA-256 of its files by their names; empty for one whose weights are drawn from a seed."""
        return source_digests(self.source, Path())


def find_model(name: str) -> MeasuredModel:
    """Return a shipped model by its name, or a language model by `folder:PATH`, which may be a GGUF file, `hub:ID` or
    `hub:ID@REVISION`. The name of its plan is then `folder:` with the last part of the path, or `hub:ID`.

    Raises ValueError, one line, for an unknown or malformed name and for a model that cannot be used, MissingDependency
    for one that is out of reach.
    """
    kind, colon, place = name.partition(":")
    if not colon or kind not in SOURCES:
        return MeasuredModel(model_plan(name), name)
    place, _, revision = place.partition("@") if kind == "hub" else (place, "", "")
    try:
        section = ModelSection.model_validate({kind: place, **({"revision": revision} if revision else {})})
    except ValidationError as error:
        raise ValueError(f"model={name}: {translate(error, ModelSection)[0].text}") from None
    shown = place if kind == "hub" else Path(place).resolve().name
    return MeasuredModel(folder_plan(f"{kind}:{shown}", folder_of(section, Path())), section)
