"""YAML files with the lines of their keys."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from topologies.schema.messages import Keys, short

MAX_REPEATED = 100_000  # values by aliases: a few lines of them can stand for billions


class Document(NamedTuple):
    """The mapping in a YAML file, its nodes, which know their lines, and messages on repeated keys."""

    data: dict[str, Any]
    node: yaml.Node
    repeated: tuple[str, ...]
    entries: dict[yaml.Node, "Entries"]

    def line(self, keys: Keys) -> int:
        """Return the line of a key, or of the innermost section around it that is in the file."""
        node, line = self.node, self.node.start_mark.line
        for key in keys:
            if node not in self.entries:
                self.entries[node] = _entries(node)
            found = self.entries[node].get(key)
            if found is None:
                break
            (name, node) = found
            line = name.start_mark.line
        return int(line) + 1


Entries = dict[str | int, tuple[yaml.Node, yaml.Node]]


def _entries(node: yaml.Node) -> Entries:
    """Return the nodes of key and value by key or index."""
    match node:
        case yaml.MappingNode():
            return {name.value: (name, value) for name, value in node.value}  # merged keys come first, and are replaced
        case yaml.SequenceNode():
            return {index: (value, value) for index, value in enumerate(node.value)}
    return {}


class ScenarioLoader(yaml.SafeLoader):
    """Safe YAML loader that notes repeated keys, refuses recursive values and values that aliases multiply, and reads
    `1e3` as a number (YAML 1.2) and every key as text: `no` and `1` are names.

    `repeated` are the key nodes whose keys were given before in the same mapping."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[yaml.ScalarNode] = []

    def construct_document(self, node: yaml.Node) -> Any:
        """Return the value of the outermost node, constructed in a way that refuses recursion."""
        sizes: dict[yaml.Node, int] = {}
        if _size(node, sizes) > len(sizes) + MAX_REPEATED:
            rule = f"aliases must repeat at most {MAX_REPEATED} values"
            raise yaml.constructor.ConstructorError(problem=rule)
        return self.construct_object(node, deep=True)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node. Raises ConstructorError, with the line, for a value that its tag does not fit."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # of an impossible date, of `0x`, of `!!bool x`
            rule = f"{short(node.value)} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(problem=rule, problem_mark=node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the value of a mapping; a repeated key has its last value."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                key.tag = "tag:yaml.org,2002:str"
                if key.value in seen:
                    self.repeated.append(key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _size(node: yaml.Node, sizes: dict[yaml.Node, int]) -> int:
    """Return the number of values in a node if each alias is a copy. `sizes` has those of the nodes seen before."""
    if node not in sizes:
        sizes[node] = 1  # of a node in itself, which cannot be constructed
        match node:
            case yaml.MappingNode():
                sizes[node] += sum(_size(key, sizes) + _size(value, sizes) for key, value in node.value)
            case yaml.SequenceNode():
                sizes[node] += sum(_size(value, sizes) for value in node.value)
    return sizes[node]


ScenarioLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_document(path: Path) -> Document:
    """Read a YAML file. Raises ValueError (one line) if there is no mapping in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path.name}: must be a readable file ({error.strerror}: {path})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: must be UTF-8 text (byte {error.start} is not)") from error
    try:
        loader = ScenarioLoader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{path.name}: {line}must be YAML: {error.problem}") from error
    except yaml.YAMLError as error:  # a forbidden character
        raise ValueError(f"{path.name}: must be YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError(f"{path.name}: must be YAML that is nested less deeply") from error
    if node is None or not isinstance(data, dict):
        raise ValueError(f"{path.name}: must be a mapping with keys such as name, seed, nodes, links and tasks")
    repeated = (
        f"line {key.start_mark.line + 1}: must be YAML: {key.value!r} is given twice" for key in loader.repeated
    )
    return Document(data, node, tuple(f"{path.name}: {text}" for text in repeated), {})
