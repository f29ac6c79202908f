"""Prompts of tasks from texts: which they are, and their lengths in tokens of the task's model."""

from functools import cache
from pathlib import Path

from topologies.datasets.texts import read_texts, shipped_texts, texts_sha256
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.packages import shipped_folder
from topologies.models.language.sources import folder_of
from topologies.models.language.tokenizer import load_tokenizer, text_tokens
from topologies.schema.models import ModelSection
from topologies.schema.scenario import Scenario
from topologies.schema.workloads import PromptsSection, TaskSection


def texts_of(section: PromptsSection, folder: Path) -> tuple[str, ...]:
    """Return the texts that tasks choose from; a relative path starts from `folder`.

    Raises ValueError, one line, for a malformed file, and for texts with another SHA-256 than the section's.
    """
    texts = shipped_texts() if section.file is None else read_texts(folder / section.file, section.separator)
    digest = texts_sha256(texts)
    if section.sha256 not in (None, digest):
        raise ValueError(f"sha256={section.sha256}: must be that of the texts, {digest}")
    return texts


def prompt_tokens(scenario: Scenario, task: TaskSection, folder: Path) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of every prompt that the task's requests choose from (`emulator.workload.chosen_prompt`), at
    most `tokens.prompt_max` of each; none without `prompts`.

    Raises ValueError, one line, as `texts_of`, and for a model without a tokenizer.
    """
    if task.prompts is None or task.tokens is None:
        return ()
    most = task.tokens.prompt_max
    found = _tokens_of(model_folder(scenario, task.model, folder), texts_of(task.prompts, folder))
    return tuple(tokens[:most] for tokens in found if tokens)


def model_folder(scenario: Scenario, model: str, folder: Path) -> ModelFolder:
    """Return the files of a task's language model, as the scenario names it. Raises ValueError, one line, for a model
    without files, MissingDependency for one that is not on this machine."""
    source = scenario.models.get(model, model)
    if not isinstance(source, ModelSection):
        return shipped_folder(source)
    return shipped_folder(source.seed) if source.seed is not None else folder_of(source, folder)


@cache
def _tokens_of(model: ModelFolder, texts: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    tokenizer = load_tokenizer(model)
    return tuple(text_tokens(tokenizer, text) for text in texts)
