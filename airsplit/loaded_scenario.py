"""A scenario for Python code: loaded with changes, ready to run."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from airsplit.finished_run import FinishedRun
from emulator.policy import Policy, require_policy
from emulator.system import System

if TYPE_CHECKING:
    from results.run.manifest import LeftOut
    from topologies.schema.scenario import Scenario

Policies = Sequence[str] | Mapping[str, str | Policy]


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario file and the changes to it, as the arguments of `--set`. The file is read again by every method."""

    file: Path
    overrides: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the scenario's policies."""
        return self._scenario().labels

    def with_policies(self, labels: Sequence[str]) -> "LoadedScenario":
        """Return the same scenario with these of its policies alone."""
        chosen = _choice(self._scenario(), self.file.parent, _chosen(labels))
        return LoadedScenario(self.file, (*self.overrides, *chosen))

    def system(self) -> System:
        """Build the emulator's system: devices, links with their traces, cells, and streams of tasks."""
        from emulator.core.cache import user_cache
        from topologies.build import build
        from topologies.loading.loader import prefix_errors

        with prefix_errors(self.file, self.overrides):
            return build(self._scenario(), self.file.parent, cache=user_cache())

    def run(
        self,
        policies: Policies | None = None,
        *,
        seed: int | None = None,
        out: str | PathLike[str] = "runs",
        hil: str | None = None,
        progress: bool = False,
        left_out: "Sequence[LeftOut]" = (),
        cache: bool = True,
    ) -> FinishedRun:
        """Simulate the scenario under each policy, as `airsplit run` does, and return the finished run.

        `policies` are labels of the scenario, types such as `exact`, or names `module:Class`; or a mapping from new
        labels to these or to objects with a method `decide(observation)`. Default: all policies of the scenario. An
        object decides itself, not a copy: give a new object to each run if it keeps state. A run of objects of
        classes that no other process can import cannot be repeated.

        `seed` replaces the scenario's seed, `out` is the folder for folders of runs, `hil` is `local` or the HOST:PORT
        of a broker with workers, and `progress` prints phases on standard error. `left_out` names results to do
        without: `bound`, `figures`. Without `cache`, channels and agents of earlier runs are not used, nor kept for
        later runs. Raises ValueError for bad input, and UnfinishedRun, a RuntimeError that names the folder, if
        something fails or is interrupted after the records are complete. A finished run may still be
        invalid: see `manifest.valid`.
        """
        from airsplit.simulation_run import run_simulation
        from emulator.core.cache import Cache, user_cache
        from results.progress import RunProgress
        from results.run.manifest import LeftOut
        from topologies.loading.loader import load as load_scenario
        from topologies.loading.loader import prefix_errors

        if isinstance(left_out, str) or not set(left_out) <= set(get_args(LeftOut)):
            raise ValueError(f"left_out={left_out}: must be a list of {' and '.join(get_args(LeftOut))}")
        seed = json.loads(_in_json("seed", seed))  # as a number of Python
        overrides = self.overrides
        objects: dict[str, Policy] = {}
        if policies is not None:
            chosen = _chosen(policies)
            overrides = (*overrides, *_choice(self._scenario(), self.file.parent, chosen))
            objects = {label: policy for label, policy in chosen if label is not None and not isinstance(policy, str)}
        scenario = load_scenario(self.file, overrides, seed)
        settings = [word for override in overrides for word in ("--set", override)]
        options = {"--seed": seed, "--out": Path(out), "--hil": hil}
        given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        command = ("airsplit", "run", str(self.file), *settings, *given, *(f"--no-{name}" for name in left_out))
        command += () if cache else ("--no-cache",)
        shown = RunProgress(not progress)
        store = user_cache() if cache else Cache()
        with prefix_errors(self.file, overrides):
            run = run_simulation(
                scenario, self.file, Path(out), command, shown, hil, objects, left_out=tuple(left_out), cache=store
            )
        return FinishedRun(run)

    def _scenario(self) -> "Scenario":
        from topologies.loading.loader import load as load_scenario

        return load_scenario(self.file, self.overrides)


def load(file: str | PathLike[str], overrides: Mapping[str, Any] | None = None) -> LoadedScenario:
    """Load and check a scenario.

    `overrides` change values by their paths, such as `{"duration_s": 10, "links[0].delay_ms": 8}`, in order. A nested
    mapping changes the keys in it and keeps the others: `{"training": {"steps": 2048}}` is
    `{"training.steps": 2048}`. To replace a whole section, set it to None first. Paths of files in overrides start from
    the working directory, those in the scenario from its folder. Raises ValueError, one line, for bad input.
    """
    if not isinstance(overrides, Mapping | None):
        raise ValueError("overrides: must be a mapping from paths to values")
    loaded = LoadedScenario(Path(file), tuple(_settings(overrides or {})))
    loaded._scenario()
    return loaded


def _settings(overrides: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield the overrides as arguments of `--set`, values in JSON, which is YAML too."""
    for key, value in overrides.items():
        path = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping) and value:
            yield from _settings(value, path)
        else:
            yield f"{path}={_in_json(path, value)}"


def _in_json(path: str, value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be plain data, such as numbers, strings and lists ({error})") from error


def _plain(value: object) -> object:
    """Return a path as a string, and a number of NumPy as a Python number."""
    if isinstance(value, PathLike):
        return str(value)
    if callable(item := getattr(value, "item", None)):
        return item()
    raise TypeError(f"not {type(value).__name__}")


def _chosen(policies: Policies) -> list[tuple[str | None, str | Policy]]:
    """Return label and policy of each, without a label for names in a list. Raises ValueError for anything else."""
    if isinstance(policies, Mapping):
        for label, policy in policies.items():
            if not isinstance(label, str):
                raise ValueError(f"policies[{label!r}]: must have text as its label")
            if not isinstance(policy, str):
                require_policy(f"policies[{label!r}]", policy)
        return list(policies.items())
    if isinstance(policies, str) or not isinstance(policies, Iterable):
        raise ValueError(f"policies={policies}: must be a list of names or a mapping")
    names = list(policies)
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise ValueError(f"policies[{index}]: must be a name; objects are given by label, {{'mine': ...}}")
    return [(None, name) for name in names]


def _choice(scenario: "Scenario", home: Path, chosen: Iterable[tuple[str | None, str | Policy]]) -> Iterator[str]:
    """Yield the overrides that replace the policies of a scenario in `home`, in `hil` and `realtime` too."""
    sections = [_section(scenario, home, label, policy) for label, policy in chosen]
    yield f"policies={_in_json('policies', sections)}"
    labels = {section.get("label", section["type"].rpartition(":")[2]) for section in sections}
    if scenario.hil is not None:
        kept = [label for label in scenario.hil.policies if label in labels]
        yield f"hil.policies={_in_json('hil.policies', kept)}" if kept else "hil=null"
    if scenario.realtime.policy is not None and scenario.realtime.policy not in labels:
        yield "realtime.policy=null"


def _section(scenario: "Scenario", home: Path, label: str | None, policy: str | Policy) -> dict[str, Any]:
    """Return the section of a policy: that of its label in the scenario, or a new one of its type."""
    if not isinstance(policy, str):
        return {"type": f"{type(policy).__module__}:{type(policy).__name__}", "label": label}
    own = {} if label is None else {"label": label}
    if policy not in scenario.labels:
        return {"type": policy} | own
    section = scenario.policies[scenario.labels.index(policy)].model_dump(mode="json", exclude_defaults=True)
    files = {key: str((home / section[key]).resolve()) for key in ("file", "checkpoint") if key in section}
    return section | files | own
