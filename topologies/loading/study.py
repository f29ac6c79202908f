"""Loading of study files: every setting of a study is a scenario that is loaded and checked before anything runs."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from emulator.core.errors import Mistakes
from topologies.loading.checks import broken_rules
from topologies.loading.loader import GivenScenario, load, resolved
from topologies.schema.messages import Mistake, did_you_mean, nearest, translate
from topologies.schema.realtime import RealtimeSection
from topologies.schema.scenario import Scenario
from topologies.schema.study import Study, Sweep, Value

NOT_STUDIED: Mapping[str, Any] = {"hil": None, "groups": None, "realtime": RealtimeSection()}
Combination = tuple[tuple[Sweep, Value], ...]  # the swept parameters, each with one of its values


class Setting(NamedTuple):
    """One setting of a study: a variant, the value of each swept parameter by its name, and the scenario with the
    study's policies. Its seeds are those of the scenario's file."""

    variant: str
    parameters: Mapping[str, Value]
    scenario: Scenario


class LoadedStudy(NamedTuple):
    """A study, its file, the file of its scenario, and its settings: in order, the last parameter fastest."""

    file: Path
    study: Study
    scenario_file: Path
    settings: tuple[Setting, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the swept parameters."""
        return tuple(sweep.name for sweep in self.study.sweeps())


def load_study(path: Path, overrides: Sequence[str] = ()) -> LoadedStudy:
    """Read a study and load its scenario in each setting, with `overrides` as arguments of `--set`.

    Relative paths in the study start from its folder, those in overrides from the working directory. Raises Mistakes, a
    ValueError with a line for each mistake: of the study, or else of its scenarios, each with the first setting that
    has it: `speed.yaml: speed=-1: quickstart.yaml: links[0].radio.speed_mps=-1: must be at least 0`.
    """
    study = read_study(path)
    if replaced := list(dict.fromkeys(_replaced(study, overrides))):
        raise Mistakes(f"{path.name}: {line}" for line in replaced)
    scenario_file = path.parent / study.scenario
    settings: list[Setting] = []
    lines: dict[str, str] = {}  # by the mistake without the setting
    for variant, combination in _combinations(study):
        parameters = {sweep.name: value for sweep, value in combination}
        named = [*([variant] if variant else []), *(f"{name}={value}" for name, value in parameters.items())]
        where = f"{path.name}: {', '.join(named)}: " if named else f"{path.name}: "
        changes = [*_as_overrides(study.set, path.parent), *overrides]
        changes += _as_overrides(study.variants.get(variant, {}), path.parent)
        changes += _as_overrides({each: s.values[value] for s, value in combination for each in s.paths}, path.parent)
        try:
            scenario = load(scenario_file, changes)
            settings.append(Setting(variant, parameters, _with_policies(scenario, study, path.parent, scenario_file)))
        except ValueError as error:
            for line in error.lines if isinstance(error, Mistakes) else (str(error),):
                lines.setdefault(line, where + line.replace("--set ", ""))
    if lines:
        raise Mistakes(lines.values())
    return LoadedStudy(path, study, scenario_file, tuple(settings))


def read_study(path: Path) -> Study:
    """Read and validate a study file. Raises Mistakes, with the lines of the file."""
    given = GivenScenario(path, ())
    try:
        study = Study.model_validate(given.data)
    except ValidationError as error:
        found = [
            Mistake(keys, text.removesuffix(", in the file or by --set"))  # which gives none of a study's keys
            for keys, text in translate(error, Study, given.data)
        ]
        raise Mistakes([*given.lines, *given.in_order(found)]) from None
    exists = (path.parent / study.scenario).is_file()
    missing = [] if exists else [given.mistake(f"scenario={study.scenario}: must be an existing file")]
    if lines := [*given.lines, *given.in_order(missing)]:
        raise Mistakes(lines)
    return study


def study_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of study files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Study.model_json_schema()}


def _replaced(study: Study, overrides: Sequence[str]) -> Iterator[str]:
    """Yield a mistake for each value that would have no effect: another one replaces it, or it is of policies that the
    study does not run. `set` alone may be replaced: its values are those of all settings that have no other."""
    swept = [(f"grid.{sweep.name}", path) for sweep in study.sweeps() for path in sweep.paths]
    varied = [(f"variants.{name}", path) for name, values in study.variants.items() for path in values]
    given = [(f"--set {override}", override.partition("=")[0]) for override in overrides]
    for replaced, later in ((given, [*varied, *swept]), (varied, swept)):
        for (place, path), (other, its_path) in product(replaced, later):
            if path == its_path or path.startswith((f"{its_path}.", f"{its_path}[")):
                yield f"{place}: must leave {path} to {other}, which gives it"
    if study.policies and not any(isinstance(each, str) for each in study.policies):
        for place, path in [*given, *(("set", path) for path in study.set), *varied, *swept]:
            if path.startswith("policies"):
                yield f"{place}: must leave {path} alone: the study has policies of its own"


def _combinations(study: Study) -> Iterator[tuple[str, Combination]]:
    """Yield each variant with every combination of the swept parameters' values."""
    pairs = [[(sweep, value) for value in sweep.values] for sweep in study.sweeps()]
    for variant in study.variants or ("",):
        for combination in product(*pairs):
            yield variant, combination


def _as_overrides(values: Mapping[str, Any], folder: Path) -> Iterable[str]:
    """Yield values of a scenario by their paths as arguments of `--set`; relative paths start from `folder`."""
    for path, value in values.items():
        key = re.split(r"[.\[]", path)[-1]
        yield f"{path}={json.dumps(resolved(value, key, folder), ensure_ascii=False)}"


def _with_policies(scenario: Scenario, study: Study, folder: Path, scenario_file: Path) -> Scenario:
    """Return a scenario with the policies of the study, and without what no study runs. Raises Mistakes."""
    policies = scenario.policies if study.policies is None else tuple(_policies(scenario, study, folder))
    changed = scenario.model_copy(update={**NOT_STUDIED, "policies": policies})
    mistakes = [*_unknown(scenario, study)] or (
        [*broken_rules(changed, scenario_file.parent)] if study.policies else []
    )
    if mistakes:
        raise Mistakes(mistakes)
    return changed


def _policies(scenario: Scenario, study: Study, folder: Path) -> Iterator[Any]:
    """Yield the sections of the study's policies, with files from `folder`. Unknown labels are left out."""
    of_scenario = dict(zip(scenario.labels, scenario.policies, strict=True))
    for each in study.policies or ():
        if not isinstance(each, str):
            files = {key: str((folder / getattr(each, key)).resolve()) for key in _files(each)}
            yield each.model_copy(update=files)
        elif each in of_scenario:
            yield of_scenario[each]


def _files(section: Any) -> list[str]:
    return [key for key in ("file", "checkpoint") if getattr(section, key, None) is not None]


def _unknown(scenario: Scenario, study: Study) -> Iterator[str]:
    """Yield a mistake for each label that the scenario does not have."""
    for index, each in enumerate(study.policies or ()):
        if isinstance(each, str) and each not in scenario.labels:
            rule = f"must be a section, or one of {', '.join(scenario.labels)}"
            yield f"policies[{index}]={each}: {rule}{did_you_mean(nearest(each, scenario.labels))}"
