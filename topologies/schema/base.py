"""What all sections of a scenario share: their strictness, and the sorts of values."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

TEMPLATE = "{i}"  # in a node's name: the number of the copy, from 1

Positive = Annotated[float, Field(gt=0, le=1e9)]
NotNegative = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(ge=1e-3, le=1e6)]
Speed = Annotated[float, Field(ge=1e-3, le=1e9)]  # slower, times in ns would leave the 64 bits of a count
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
NodeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\{i\})?$", max_length=64)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Interval = Annotated[tuple[NotNegative, Positive], Field(strict=False)]


class Section(BaseModel):
    """Part of a scenario: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def rule(text: str) -> PydanticCustomError:
    """An error of a section whose text is the rule that was broken, as the user reads it."""
    return PydanticCustomError("rule", "{text}", {"text": text})


def _between_0_and_1(value: float) -> float:
    if not 0 <= value <= 1:
        raise PydanticCustomError("value_rule", "{text}", {"text": "must be between 0 and 1"})
    return value


Probability = Annotated[float, AfterValidator(_between_0_and_1), Field(json_schema_extra={"minimum": 0, "maximum": 1})]


def exactly_one(section: BaseModel, *names: str) -> None:
    """Raise unless one of the named keys is given, and only one."""
    if sum(getattr(section, name) is not None for name in names) != 1:
        raise rule(f"must give exactly one of {', '.join(names)}")


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
