"""Loading of scenario files: overrides, validation, and a line for each mistake."""

import re
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from math import inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from emulator.core.errors import Mistakes
from topologies.loading.checks import broken_rules
from topologies.loading.document import ScenarioLoader, read_document
from topologies.schema.messages import Keys, Mistake, dotted, keys_of, short, translate
from topologies.schema.scenario import Scenario

PATH_KEYS = ("file", "checkpoint", "track", "folder")  # keys with paths as values


def load(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Read, override (`links[0].delay_ms=5`), validate and check a scenario.

    Paths in the file are relative to its folder. Paths in overrides are relative to the working directory and are made
    absolute. Raises Mistakes, a ValueError with a line for each mistake:
    `quickstart.yaml:61: links[1].loss=1.4: must be between 0 and 1`. If sections are wrong by themselves, rules over
    several sections are not checked.
    """
    given = GivenScenario(path, overrides if seed is None else (*overrides, f"seed={seed}"))
    try:
        scenario = Scenario.model_validate(given.data)
    except ValidationError as error:
        raise Mistakes([*given.lines, *given.in_order(translate(error, Scenario, given.data))]) from None
    mistakes = map(given.mistake, broken_rules(scenario, path.parent))
    if lines := [*given.lines, *given.in_order(mistakes)]:
        raise Mistakes(lines)
    return scenario


class GivenScenario:
    """What the user gives: a file, and values that replace its values.

    `data` is the scenario after the overrides; `lines` has a line for each key that is given twice and each override
    that cannot be applied. Raises ValueError, one line, if there is no mapping in the file.
    """

    def __init__(self, path: Path, overrides: Sequence[str]) -> None:
        self._name, self._document = path.name, read_document(path)
        self.data = self._document.data
        self.lines = list(self._document.repeated)
        self._overridden: list[Keys] = []
        for override in overrides:
            try:
                changed = deepcopy(self.data)
                self._overridden.append(apply_override(changed, override, path.name))
                self.data = changed
            except ValueError as error:
                self.lines.append(str(error))

    def mistake(self, text: str) -> Mistake:
        """Return the mistake of a message; its keys are those that the message begins with."""
        return Mistake(keys_of(text, self.data), text)

    def in_order(self, mistakes: Iterable[Mistake]) -> list[str]:
        """Return a line for each mistake, with its line in the file or the word --set, in the order of the file."""
        placed = [(self._line(mistake.keys), mistake) for mistake in mistakes]
        return [
            f"{self._name}{f':{line}' if line else ''}: {'--set ' if self._is_overridden(keys) else ''}{text}"
            for line, (keys, text) in sorted(placed, key=lambda each: each[0] or inf)
        ]

    def _line(self, keys: Keys) -> int | None:
        return None if not keys or self._is_overridden(keys) else self._document.line(keys)

    def _is_overridden(self, keys: Keys) -> bool:
        """Return whether an override gave the value at `keys`, or something in it."""
        return bool(keys) and any(
            keys[: len(given)] == given or given[: len(keys)] == keys for given in self._overridden
        )


@contextmanager
def prefix_errors(path: Path, overrides: Sequence[str] | None = None) -> Iterator[None]:
    """Turn a ValueError into Mistakes whose lines start with the name of the scenario's file, and with the line in the
    file or --set if the overrides of the scenario are given."""
    try:
        yield
    except UnicodeEncodeError:  # of a file's name, in an environment that lacks its letters
        raise
    except ValueError as error:
        lines = error.lines if isinstance(error, Mistakes) else (str(error),)
        texts = [" ".join(line.split()).removeprefix(f"{path.name}: ") for line in lines]  # a value may hold line ends
        if overrides is None or any(text.startswith(f"{path.name}:") for text in texts):
            raise Mistakes(_prefixed(text, path.name) for text in texts) from error
        given = GivenScenario(path, overrides)
        raise Mistakes(given.in_order(map(given.mistake, texts))) from error


def _prefixed(text: str, name: str) -> str:
    return text if re.match(rf"{re.escape(name)}:\d+: ", text) else f"{name}: {text}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}


def apply_override(data: dict[str, Any], override: str, file: str) -> Keys:
    """Set one value by its path, in place; create missing sections along the path. Return the path's keys. Raises
    ValueError if the path does not exist."""
    path, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"[^.\[\]=]+(\.[^.\[\]=]+|\[\d+\])*", path):
        raise ValueError(f"{file}: --set {short(override)}: must look like links[0].delay_ms=5")
    try:
        value = yaml.load(text, ScenarioLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{file}: --set {short(override)}: must have a YAML value") from error
    keys: Keys = tuple(
        int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)(?![^\[]*\])|\[(\d+)\]", path)
    )
    value = resolved(value, keys[-1], Path())
    place: Any = data
    for depth, key in enumerate(keys):
        here = dotted(keys[:depth])
        if isinstance(key, int):
            if not isinstance(place, list):
                raise ValueError(f"{file}: --set {short(override)}: {here or 'the scenario'} must be a list")
            if key >= len(place):
                raise ValueError(f"{file}: --set {short(override)}: {here} has {len(place)} entries, from 0")
        elif not isinstance(place, dict):
            raise ValueError(f"{file}: --set {short(override)}: {here} has no keys")
        if depth == len(keys) - 1:
            place[key] = value
        else:
            place = place[key] if isinstance(key, int) else _section(place, key)
    return keys


def resolved(value: Any, key: Hashable, folder: Path) -> Any:
    """Return the value of a key with all file paths in it made absolute; relative ones start from `folder`."""
    if isinstance(value, dict):
        return {name: resolved(inner, name, folder) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, key, folder) for inner in value]
    if isinstance(value, str) and (key in PATH_KEYS or value.endswith(".json")):
        return str((folder / value).resolve())
    return value


def _section(place: dict[str, Any], key: str) -> Any:
    if place.get(key) is None:
        place[key] = {}
    return place[key]
