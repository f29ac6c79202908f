"""The study file: a scenario, what is varied in it, seeds, and policies."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Discriminator, Field, Tag, model_validator

from topologies.schema.base import Label, Section, Seed, require_exactly_one, section_error
from topologies.schema.policies import PolicySection
from topologies.schema.study_figures import StudyFiguresSection

Value = int | float | str
Overrides = Mapping[str, Any]
Values = Annotated[tuple[Value, ...], Field(strict=False, min_length=1)]
ParameterName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\s]+$")]


class SweepSection(Section):
    """Values that one key of the scenario, or several keys together, take one after another."""

    path: str | None = None
    """Path of the key, as `--set` has it."""
    paths: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    """Paths of keys that have the same value."""
    values: Annotated[
        Annotated[Values, Tag("list")] | Annotated[dict[str, Any], Field(min_length=1), Tag("labelled")],
        Discriminator(lambda value: "labelled" if isinstance(value, dict) else "list"),
    ]
    """The values; or, by the numbers or names that tables and figures have for them, values of any form."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        require_exactly_one(self, "path", "paths")
        return self


class Sweep(NamedTuple):
    """A swept parameter: its name in tables, the paths of its keys, and their values by what tables have for them."""

    name: str
    paths: tuple[str, ...]
    values: Mapping[Value, Any]


Seeds = Annotated[
    Annotated[int, Field(ge=1, le=10_000), Tag("count")]
    | Annotated[tuple[Seed, ...], Field(strict=False, min_length=1), Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, list | tuple) else "count"),
]


class SeedsSection(Section):
    """Seeds: lists, or the number of seeds, from the scenario's own on."""

    channel: Seeds = 1
    """Seeds of generated channels and random movement (`channel_seed` of the scenario)."""
    arrivals: Seeds | None = None
    """Seeds of arrivals, losses and all other draws (`seed` of the scenario), each on every channel; default: every
    channel has one, its own."""
    training: Seeds = 1
    """Seeds of training (`training.seed` of the scenario), each for every learned policy without a checkpoint."""


def _is_label(value: Any) -> str:
    return "label" if isinstance(value, str) else "section"


def _is_short(value: Any) -> str:
    return "short" if isinstance(value, list | tuple) else "section"


class Study(Section):
    """Complete description of a study, except for the scenario and the contents of files."""

    name: Label
    """Name of the study, and of its folder."""
    scenario: str
    """File of the scenario; a relative path starts from the study's folder."""
    set: dict[str, Any] = Field(default_factory=dict)
    """Values of the scenario that differ in the whole study, by their paths as `--set` has them."""
    grid: dict[
        ParameterName,
        Annotated[Annotated[Values, Tag("short")] | Annotated[SweepSection, Tag("section")], Discriminator(_is_short)],
    ] = Field(default_factory=dict)
    """Swept parameters by name: every combination of their values is run. A list alone belongs to the path that is
    the name."""
    variants: dict[Label, dict[str, Any]] = Field(default_factory=dict)
    """Named settings, each run with every combination of the grid: values by their paths; default: one without a
    name."""
    seeds: SeedsSection = SeedsSection()
    """Seeds; default: those of the scenario."""
    policies: (
        Annotated[
            tuple[
                Annotated[
                    Annotated[str, Tag("label")] | Annotated[PolicySection, Tag("section")], Discriminator(_is_label)
                ],
                ...,
            ],
            Field(strict=False, min_length=1),
        ]
        | None
    ) = None
    """Labels of the scenario's policies, or sections as in a scenario; default: all policies of the scenario."""
    repetitions: Annotated[int, Field(ge=1, le=1_000)] = 1
    """How often each policy is run on a channel, with other arrivals, losses and other draws each time."""
    bound: bool = True
    """Whether the bound is computed, once for each system."""
    figures: StudyFiguresSection = StudyFiguresSection()
    """The figures and tables."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        paths = [path for sweep in self.sweeps() for path in sweep.paths]
        for path in paths:
            if paths.count(path) > 1:
                raise section_error(f"must sweep {path} by one parameter of grid alone")
        for sweep in self.sweeps():
            given = self.grid[sweep.name]
            listed = given.values if isinstance(given, SweepSection) else given
            if len(sweep.values) < len(listed):
                raise section_error(f"must give different values of grid.{sweep.name}")
        for name in ("channel", "arrivals", "training"):
            seeds = getattr(self.seeds, name)
            if isinstance(seeds, tuple) and len(set(seeds)) < len(seeds):
                raise section_error(f"must give different seeds.{name}")
        return self

    def sweeps(self) -> Iterator[Sweep]:
        """Yield the swept parameters in the order of the file."""
        for name, given in self.grid.items():
            if not isinstance(given, SweepSection):
                yield Sweep(name, (name,), {value: value for value in given})
                continue
            paths = given.paths or (given.path or name,)
            values = given.values if isinstance(given.values, dict) else {value: value for value in given.values}
            yield Sweep(name, paths, _numbered(values))


def _numbered(values: Mapping[Any, Any]) -> dict[Value, Any]:
    """Return values by numbers if all their names are numbers, and by their names otherwise."""
    try:
        return {_number(name): value for name, value in values.items()}
    except ValueError:
        return dict(values)


def _number(name: Value) -> Value:
    if not isinstance(name, str):
        return name
    return int(name) if name.isdecimal() else float(name)


def seeds_from(first: int, given: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the seeds of a list, or as many as a count says, from `first` on."""
    return given if isinstance(given, tuple) else tuple(range(first, first + given))
