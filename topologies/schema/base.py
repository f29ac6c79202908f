"""Base class of the scenario's sections, and the types of their values."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

TEMPLATE = "{i}"  # placeholder in a node's name for the number of the copy, from 1

Positive = Annotated[float, Field(gt=0, le=1e9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(ge=1e-3, le=1e6)]
Speed = Annotated[float, Field(ge=1e-3, le=1e9)]  # below this, times in ns would exceed 64 bits
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\{i\})?$", max_length=64)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Interval = Annotated[tuple[NotNegative, Positive], Field(strict=False)]


class Section(BaseModel):
    """Part of a scenario. Refuses unknown keys and values of another type; immutable."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def section_error(text: str) -> PydanticCustomError:
    """Return a validation error of a whole section, with the text that the user reads."""
    return PydanticCustomError("section_error", "{text}", {"text": text})


def _between_0_and_1(value: float) -> float:
    if not 0 <= value <= 1:
        raise PydanticCustomError("value_error_text", "{text}", {"text": "must be between 0 and 1"})
    return value


Probability = Annotated[float, AfterValidator(_between_0_and_1), Field(json_schema_extra={"minimum": 0, "maximum": 1})]


def require_exactly_one(section: BaseModel, *names: str) -> None:
    """Raise PydanticCustomError unless exactly one of the named keys is given."""
    if sum(getattr(section, name) is not None for name in names) != 1:
        raise section_error(f"must give exactly one of {', '.join(names)}")


def to_tuple(value: object) -> object:
    """Return a text as a tuple of it alone, and any other value as it is."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(to_tuple),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
