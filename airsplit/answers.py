"""What a run says of its answers beside the records: every fixed choice, and an example of a language model's text."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agents.split_inference.isolated_outcome import fixed_choices
from airsplit.stored_run import StoredRun
from emulator.core.errors import MissingDependency
from emulator.task import Task, parse
from emulator.workload import Stream, chosen_prompt
from results.example import Absence, Example, read_example, write_example
from results.finish import Makers
from results.run.folder import Run
from results.run.tables import CHOICES_FILE, write_choices
from results.statistics import best_policy, read_summary, tasks_of
from topologies.build.prompts import model_folder

WRITTEN_TOKENS = 24


def with_answers(makers: Makers, stored: Callable[[], StoredRun], home: Path) -> Makers:
    """Return the makers of a run's results, with those of its choices and its example behind the summary.

    `stored` gives scenario and system, `home` the folder that the scenario's paths start from. What a folder has
    already is not made again, so that figures and report need no model. Runs without figures have neither.
    """

    def choices(run: Run) -> None:
        if not (run.path / CHOICES_FILE).is_file() and (system := stored().system).quality:
            write_choices(run.path / CHOICES_FILE, fixed_choices(system))

    def example(run: Run) -> None:
        if isinstance(read_example(run.path), Example) or (chosen := _chosen(run, stored())) is None:
            return
        try:
            write_example(run.path, _example(chosen, stored(), home))
        except MissingDependency as error:
            write_example(run.path, Absence(absent=str(error)))

    if "figures" not in makers:
        return makers
    (first, make), *later = makers.items()
    return {first: make, "choices": choices, "example": example, **dict(later)}


class _Chosen(NamedTuple):
    """A task of a stream whose prompts are texts, and its placement under a policy."""

    policy: str
    stream: Stream
    number: int
    placement: str


def _chosen(run: Run, stored: StoredRun) -> _Chosen | None:
    """Return the task to show, under the policy with the least cost: of those that split a language model, or else of
    all, the one with the longest prompt; None if no task has a text."""
    streams = [each for each in stored.system.streams if each.tokens is not None and each.tokens.prompts]
    texts = {(each.source, each.kind.name): each for each in streams}
    summary = read_summary(run)
    if not texts or not summary["tasks"].sum():
        return None
    policy = best_policy(summary)
    tasks = tasks_of(run, policy)
    tasks = tasks[tasks["outcome"] != "failed"].astype({"source": str, "kind": str, "placement": str})
    columns = (tasks[name] for name in ("source", "kind", "task", "placement"))
    offered = [
        _Chosen(policy, texts[source, kind], int(number), placement)
        for source, kind, number, placement in zip(*columns, strict=True)
        if (source, kind) in texts
    ]
    return max(offered, key=lambda each: ("|" in each.placement, len(_prompt(stored, each))), default=None)


def _prompt(stored: StoredRun, chosen: _Chosen) -> tuple[int, ...]:
    stream = chosen.stream
    prompts = () if stream.tokens is None else stream.tokens.prompts
    task = Task(stream.source, stream.kind, chosen.number, 0)
    return prompts[chosen_prompt(stored.system.seed, task, len(prompts))]


def _example(chosen: _Chosen, stored: StoredRun, home: Path) -> Example:
    """Run the whole model on the task's prompt, with and without the codecs of its placement. Raises MissingDependency
    for a model that is not on this machine."""
    import torch

    from topologies.models.chain import Chain
    from topologies.models.language.folder_plan import folder_plan
    from topologies.models.language.tokenizer import load_tokenizer, tokens_text
    from topologies.quality.continuation import Cut, continuation

    torch.set_num_threads(1)
    kind = chosen.stream.kind
    prompt = _prompt(stored, chosen)
    cuts = [Cut(part.first, kind.codec_of(part)) for part in parse(chosen.placement)[1:]]
    section = next(each for each in stored.scenario.tasks if each.name == kind.name)
    folder = model_folder(stored.scenario, section.model, home)
    plan = folder_plan(kind.model.name, folder, kind.model.weight_dtype)
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(stored.system.seed)
    tokenizer = load_tokenizer(folder)
    unharmed = continuation(chain, prompt, (), WRITTEN_TOKENS)
    harmed = continuation(chain, prompt, cuts, WRITTEN_TOKENS) if cuts else unharmed
    table = stored.system.quality.get(kind.name)
    return Example(
        policy=chosen.policy,
        kind=kind.name,
        source=chosen.stream.source,
        task=chosen.number,
        placement=chosen.placement,
        codec=", ".join(dict.fromkeys(cut.codec for cut in cuts)),
        prompt=tokens_text(tokenizer, prompt),
        continuation=tokens_text(tokenizer, harmed.tokens),
        unharmed_continuation=tokens_text(tokenizer, unharmed.tokens),
        perplexity=harmed.perplexity,
        unharmed_perplexity=unharmed.perplexity,
        expected_loss=None if table is None else sum(table.loss(*cut) for cut in cuts),
    )
