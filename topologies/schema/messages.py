"""Translation of pydantic's errors to one-line messages: `links[1].loss=1.4: must be between 0 and 1`."""

import json
from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Keys = tuple[str | int, ...]

MAX_VALUE_CHARS = 60  # longer values are cut in messages
POLICY_TYPES = "random, all-device, all-edge, fixed, greedy, exact, ppo, a3c, replay or module:Class"

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
_TDD_MESSAGE = "must hold D, S and U alone"


def translate(error: ValidationError, overrides: Iterable[Keys] | None = None) -> str:
    """Return the first of pydantic's errors as `path=value: message`. `overrides` are the paths changed by --set; None
    for a file that --set does not apply to."""
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])  # misspelt
    keys = _keys(first)
    text = f"must be {POLICY_TYPES}" if keys[:1] == ("policies",) and keys[-1] == "type" else _message(first)
    if first["type"] == "missing" and overrides is not None:
        text += ", in the file or by --set"
    value = "" if first["type"] in ("missing", "section_error") else f"={short(first['input'])}"
    if not keys:
        return text
    by_override = any(keys[: len(given)] == given or given[: len(keys)] == keys for given in overrides or ())
    return f"{'--set ' if by_override else ''}{dotted(keys)}{value}: {text}"


def _keys(error: ErrorDetails) -> Keys:
    """Return the keys in the file: pydantic's location without the tag of a policy's type."""
    keys = error["loc"]
    return keys[:2] + keys[3:] if keys[:1] == ("policies",) and len(keys) > 2 else keys


def dotted(keys: Keys) -> str:
    """Return the keys as a path, such as `links[0].loss`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def short(value: object) -> str:
    """Return a value as text for a message: one line, at most MAX_VALUE_CHARS characters."""
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, default=str)
    text = text or "''"
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 3]}..."


def _message(error: ErrorDetails) -> str:
    if error["type"] == "string_pattern_mismatch" and error["loc"][-1] == "tdd":
        return _TDD_MESSAGE  # the only pattern that is not of a name
    template = _MESSAGES.get(error["type"])
    if template is None:
        return error["msg"].splitlines()[0]
    return template.format(**error.get("ctx", {}))
