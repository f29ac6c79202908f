"""YAML files with the lines of their keys."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from topologies.schema.messages import Keys


class Document(NamedTuple):
    """The mapping in a YAML file, its nodes, which know their lines, and messages on repeated keys."""

    data: dict[str, Any]
    node: yaml.Node
    repeated: tuple[str, ...]

    def line(self, keys: Keys) -> int:
        """Return the line of a key, or of the innermost section around it that is in the file."""
        node, line = self.node, self.node.start_mark.line
        for key in keys:
            match node:
                case yaml.MappingNode():
                    found = [(name, value) for name, value in node.value if name.value == str(key)]
                case yaml.SequenceNode() if isinstance(key, int) and key < len(node.value):
                    found = [(node.value[key], node.value[key])]
                case _:
                    found = []
            if not found:
                break
            (name, node) = found[-1]  # keys of a merged mapping come first, and are replaced
            line = name.start_mark.line
        return int(line) + 1


class ScenarioLoader(yaml.SafeLoader):
    """Safe YAML loader that notes repeated keys, refuses recursive values, and reads `1e3` as a number (YAML 1.2).

    `repeated` are the key nodes whose keys were given before in the same mapping."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[yaml.ScalarNode] = []

    def construct_document(self, node: yaml.Node) -> Any:
        """Return the value of the outermost node, constructed in a way that refuses recursion."""
        return self.construct_object(node, deep=True)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the value of a mapping; a repeated key has its last value."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    self.repeated.append(key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


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
    except (yaml.YAMLError, ValueError) as error:  # a forbidden character; an impossible date or number
        raise ValueError(f"{path.name}: must be YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise ValueError(f"{path.name}: must be YAML that is nested less deeply") from error
    if node is None or not isinstance(data, dict):
        raise ValueError(f"{path.name}: must be a mapping with keys such as name, seed, nodes, links and tasks")
    repeated = (
        f"line {key.start_mark.line + 1}: must be YAML: {key.value!r} is given twice" for key in loader.repeated
    )
    return Document(data, node, tuple(f"{path.name}: {text}" for text in repeated))
