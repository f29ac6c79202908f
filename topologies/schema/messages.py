"""Translation of pydantic's errors to one-line messages: `links[1].loss=1.4: must be between 0 and 1`."""

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from topologies.schema.units import in_known_unit

Keys = tuple[str | int, ...]

MAX_VALUE_CHARS = 60  # longer values are cut in messages
POLICY_TYPES = (
    "random, all-device, all-edge, fixed, greedy, exact, single-cut, min-cut, viterbi, device-subsets, dads, "
    "edgent, even-split, random-blocks, neurosurgeon, linucb, cusum-ucb, ppo, a2c, a3c, replay, onnx, sb3 or "
    "module:Class"
)

_MESSAGES = {
    "json_invalid": "must be JSON: {error}",
    "missing": "must be given",
    "none_required": "must not be given",
    "extra_forbidden": "is not a known key",
    "section_error": "{text}",
    "value_error_text": "{text}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} character",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "model_type": "must be a section with keys",
    "model_attributes_type": "must be a section with keys",
    "dict_type": "must be a section with keys",
    "tuple_type": "must be a list",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
    "string_pattern_mismatch": "must be a name of letters, digits and _ (labels: also - . +), a letter first",
}
ORDER = {"extra_forbidden": 0, "too_short": 2}  # of pydantic's errors, so that causes come before what follows
_TDD_MESSAGE = "must hold D, S and U alone"


class Mistake(NamedTuple):
    """A mistake, and the keys of its place in the data."""

    keys: Keys
    text: str


def translate(error: ValidationError, model: type[BaseModel], data: object = None) -> list[Mistake]:
    """Return pydantic's errors as mistakes `path=value: message`, one for each place in the data, without those that
    follow from others. `data` is what was validated as `model`; None for a file that --set does not apply to."""
    errors = sorted(error.errors(include_url=False), key=lambda each: ORDER.get(each["type"], 1))
    found: dict[Keys, str] = {}
    misspelt: set[Keys] = set()
    for each in errors:
        keys = each["loc"] if data is None else _keys(each, data)
        if keys in found or (each["type"] == "missing" and keys in misspelt):
            continue  # another type of a union, or missed by its wrong spelling
        if each["type"] == "too_short" and any(keys == other[: len(keys)] for other in found):
            continue  # pydantic counts the valid entries alone
        text = _message(each)
        if each["type"] == "missing" and data is not None:
            text += ", in the file or by --set"
        if each["type"] == "extra_forbidden" and isinstance(keys[-1], str):
            known = known_keys(model, each["loc"][:-1])
            in_unit = in_known_unit(keys[-1], each["input"], known)
            meant = in_unit.key if in_unit else nearest(keys[-1], known)
            if keys[-1] in known:  # of another type of a union
                text = "is not a key of this type"
            else:
                misspelt.add((*keys[:-1], meant))
                text += f"; write {meant}: {in_unit.value}".rstrip(": ") if in_unit else did_you_mean(meant)
        value = "" if each["type"] in ("missing", "section_error") else f"={short(each['input'])}"
        found[keys] = f"{dotted(keys)}{value}: {text}" if keys else text
    return [Mistake(keys, text) for keys, text in found.items()]


def _keys(error: ErrorDetails, data: object) -> Keys:
    """Return the place of an error in the data: pydantic's location without the names of a union's types."""
    keys: list[str | int] = []
    for key in error["loc"]:
        if (isinstance(data, dict) and key in data) or (isinstance(data, list) and key in range(len(data))):
            data = data[key]  # type: ignore[index]  # a key of the dict, or an index of the list
            keys.append(key)
    if error["type"] == "missing":
        keys.append(error["loc"][-1])
    return tuple(keys)


def known_keys(model: type[BaseModel], keys: Keys) -> list[str]:
    """Return the keys of the section at `keys`, those of all types of a union."""
    sections = [model]
    for key in keys:
        fields = [section.model_fields[key] for section in sections if key in section.model_fields]
        sections = [inner for field in fields for inner in _sections(field.annotation)] if fields else sections
    return [name for section in sections for name in section.model_fields]


def _sections(kind: object) -> Iterator[type[BaseModel]]:
    """Yield the sections in a type, such as those of a list or a union."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from _sections(inner)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`; empty if none is."""
    return next(iter(get_close_matches(name, known, 1)), "")


def did_you_mean(name: str) -> str:
    """Return a question to append to a message; empty if there is no name."""
    return f'; did you mean "{name}"?' if name else ""


def keys_of(text: str, data: object) -> Keys:
    """Return the keys of the place in the data that a message begins with, such as `links[1].loss=1.4: ...` or
    `policies[0]: settings.gamma=2: ...`, as far as there are such keys."""
    keys: list[str | int] = []
    while isinstance(data, dict | list):
        if isinstance(data, list):
            index = re.match(r"\[(\d+)\](?=[.\[=:])", text)
            if index is None or int(index[1]) >= len(data):
                break
            keys.append(int(index[1]))
            data, text = data[int(index[1])], text[index.end() :]
        else:
            ends = [mark.start() for mark in re.finditer(r"[.\[=:]", text) if text[: mark.start()] in data]
            if not ends:
                break
            keys.append(text[: ends[-1]])  # a key may hold dots
            data, text = data[text[: ends[-1]]], text[ends[-1] :]
        text = text.removeprefix(".").removeprefix(": ")
    return tuple(keys)


def dotted(keys: Keys) -> str:
    """Return the keys as a path, such as `links[0].loss`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def short(value: object) -> str:
    """Return a value as text for a message: one line, at most MAX_VALUE_CHARS characters."""
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, default=str)
    text = text or "''"
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 3]}..."


def _message(error: ErrorDetails) -> str:
    if error["loc"][:1] == ("policies",) and error["loc"][-1] == "type":
        return f"must be {POLICY_TYPES}"
    if error["type"] == "string_pattern_mismatch" and error["loc"][-1] == "tdd":
        return _TDD_MESSAGE  # the only pattern that is not of a name
    template = _MESSAGES.get(error["type"])
    if template is None:
        return error["msg"].splitlines()[0]
    return template.format(**error.get("ctx", {}))
