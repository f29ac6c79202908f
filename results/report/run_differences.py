"""What differs between runs: settings of their scenarios, seeds, versions and machines."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from results.run.folder import Run
from results.run.reading import readable

ABSENT = "-"
SHOWN_CHARS = 60


def run_differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return what is not the same in all runs: the values of each run by what they are, in order of appearance."""
    facts = [dict(facts_of_run(run)) for run in runs]
    names = dict.fromkeys(name for each in facts for name in each)
    rows = {name: [each.get(name, ABSENT) for each in facts] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def facts_of_run(run: Run) -> Iterator[tuple[str, str]]:
    """Yield the settings of a run's scenario by their paths, then the facts of its manifest that may differ."""
    manifest = run.manifest
    with readable(run.path / "scenario.yaml"):
        scenario = yaml.safe_load((run.path / "scenario.yaml").read_text(encoding="utf-8"))
    yield from settings(scenario, "")
    yield from ((f"seed of {name}", str(seed)) for name, seed in manifest.seeds.items())
    yield "rung", manifest.facts.rung
    yield "engine", manifest.facts.engine
    yield "duration s", f"{manifest.facts.duration_s:g}"
    yield "traces", together(manifest.trace_sha256)
    yield "agents", together(manifest.checkpoint_sha256)
    yield from ((f"version of {name}", version) for name, version in manifest.versions.items())
    yield "sources", manifest.source_sha256[:12]
    yield "processor", manifest.machine.cpu_model


def together(digests: Mapping[str, str]) -> str:
    """Return how many files there are, and a digest of all."""
    named = "\n".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    return f"{len(digests)} files, {hashlib.sha256(named.encode()).hexdigest()[:12]}" if digests else ABSENT


def settings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested settings by their paths, such as `links[0].delay_ms`."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from settings(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from settings(inner, f"{path}[{index}]")
    else:
        text = str(value)
        yield path, text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
