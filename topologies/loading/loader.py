"""Loading of scenario files: parsing, overrides, validation, one-line errors."""

import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from topologies.loading.checks import check
from topologies.schema.messages import Keys, dotted, short, translate
from topologies.schema.scenario import Scenario

PATH_KEYS = ("file", "checkpoint", "track")  # keys with paths as values


def load(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Scenario:
    """Read, override (`links[0].delay_ms=5`), validate and check a scenario.

    Paths in the file are relative to its folder. Paths in overrides are relative to the working directory and are made
    absolute. Raises ValueError, one line: `quickstart.yaml: links[1].loss=1.4: must be between 0 and 1`.
    """
    data = parse_yaml(path)
    overridden = [apply_override(data, override, path.name) for override in overrides]
    if seed is not None:
        data["seed"] = seed
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise ValueError(f"{path.name}: {translate(error, overridden)}") from None
    with prefix_errors(path):
        check(scenario, path.parent)
    return scenario


@contextmanager
def prefix_errors(path: Path) -> Iterator[None]:
    """Turn a ValueError into one line that starts with the name of the scenario's file."""
    try:
        yield
    except UnicodeEncodeError:  # of a file's name, in an environment that lacks its letters
        raise
    except ValueError as error:
        text = " ".join(str(error).split())  # a value may hold line ends
        raise ValueError(f"{path.name}: {text.removeprefix(f'{path.name}: ')}") from error


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of scenario files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}


class _Loader(yaml.SafeLoader):
    """Safe YAML loader that refuses duplicate keys and recursive values, and reads `1e3` as a number (YAML 1.2)."""

    def construct_document(self, node: yaml.Node) -> Any:
        return self.construct_object(node, deep=True)  # deep construction refuses recursion

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises ValueError (one line) if there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path.name}: must be a readable file ({error.strerror}: {path})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: must be UTF-8 text (byte {error.start} is not)") from error
    try:
        data = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{path.name}: {line}must be YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError) as error:  # a forbidden character; an impossible date or number
        raise ValueError(f"{path.name}: must be YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError(f"{path.name}: must be YAML that is nested less deeply") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path.name}: must be a mapping with keys such as name, seed, nodes, links and tasks")
    return data


def apply_override(data: dict[str, Any], override: str, file: str) -> Keys:
    """Set one value by its path, in place; create missing sections along the path. Return the path's keys. Raises
    ValueError if the path does not exist."""
    path, equals, text = override.partition("=")
    if not equals or not re.fullmatch(r"[^.\[\]=]+(\.[^.\[\]=]+|\[\d+\])*", path):
        raise ValueError(f"{file}: --set {short(override)}: must look like links[0].delay_ms=5")
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{file}: --set {short(override)}: must have a YAML value") from error
    keys: Keys = tuple(
        int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)(?![^\[]*\])|\[(\d+)\]", path)
    )
    value = _resolved(value, keys[-1])
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


def _resolved(value: Any, key: Hashable) -> Any:
    """Return the value with all file paths in it made absolute from the working directory."""
    if isinstance(value, dict):
        return {name: _resolved(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, key) for inner in value]
    if isinstance(value, str) and (key in PATH_KEYS or value.endswith(".json")):
        return str(Path(value).resolve())
    return value


def _section(place: dict[str, Any], key: str) -> Any:
    if place.get(key) is None:
        place[key] = {}
    return place[key]
