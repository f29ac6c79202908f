"""Sections on figures: how the figures of runs and studies look, and which figures a study has."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from topologies.schema.base import Interval, Label, Names, Section, section_error

Scale = Literal["linear", "log"]
Limits = Annotated[tuple[float, float], Field(strict=False)]
FigureKind = Literal["lines", "bars", "iqm", "profile", "improvement", "differences", "gap", "pareto"]
MetricName = Literal[
    "cost_mean_s",
    "gap",
    "delay_mean_ms",
    "delay_p50_ms",
    "delay_p95_ms",
    "delay_p99_ms",
    "energy_mean_j",
    "quality_loss_mean",
    "failed_share",
    "missed_share",
]


class AxesSection(Section):
    """Limits and scales of axes."""

    x_limits: Limits | None = None
    """Ends of the horizontal axis, in its unit; default: all data are in view."""
    y_limits: Limits | None = None
    """Ends of the vertical axis, in its unit; default: all data are in view."""
    x_scale: Scale | None = None
    """Scale of the horizontal axis; default: the figure's own."""
    y_scale: Scale | None = None
    """Scale of the vertical axis; default: the figure's own."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for axis in ("x", "y"):
            limits = getattr(self, f"{axis}_limits")
            if limits and limits[0] == limits[1]:
                raise section_error(f"must give two different {axis}_limits")
            if limits and getattr(self, f"{axis}_scale") == "log" and min(limits) <= 0:
                raise section_error(f"must give {axis}_limits above 0 on a scale that is log")
        return self


class FigureStyleSection(AxesSection):
    """How figures look."""

    width_in: Annotated[float, Field(ge=2, le=20)] | None = None
    """Width in inches: 3.5 for one column of a journal's page, 7.16 for both; default: each figure's own."""
    font: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 ]*$", max_length=64)] = "DejaVu Sans"
    """Font family: one that is installed, `Times` (the first of its relatives that is installed), or `LaTeX`, which
    sets all text with LaTeX, in Times."""
    policies: Names | None = None
    """Labels of the policies to show, in this order; default: all, the least mean cost first."""
    labels: dict[str, str] = Field(default_factory=dict)
    """What figures and tables write instead of a name: of a policy, a variant, a swept parameter (with its unit)."""
    window_s: Interval | None = None
    """Only tasks that arrive from the first until before the second of these times count; default: all."""

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.window_s and self.window_s[0] >= self.window_s[1]:
            raise section_error("must give a window_s that ends after its start")
        return self


class StudyFigureSection(AxesSection):
    """One figure of a study."""

    kind: FigureKind
    """Lines over a swept parameter, bars by setting, interquartile means, performance profiles, probability of
    improvement over the reference, paired differences from the reference, gap to the bound, or a Pareto front."""
    name: Label | None = None
    """Name of the figure's files; default: made of kind, metric and parameter."""
    metric: MetricName | None = None
    """What is shown; default: that of `figures`."""
    against: MetricName = "energy_mean_j"
    """Of a Pareto front: the other metric, on the vertical axis."""
    over: Label | None = None
    """Of lines: the swept parameter on the horizontal axis; default: the first one."""
    where: dict[str, float | str] = Field(default_factory=dict)
    """Only cells with these values of swept parameters or of `variant` count."""


class StudyFiguresSection(FigureStyleSection):
    """The figures and tables of a study."""

    metric: MetricName = "cost_mean_s"
    """What figures show that name no metric; less is better in all of them."""
    reference: Label | None = None
    """Policy that the others are compared with; default: the one with the least mean cost."""
    draw: Annotated[tuple[StudyFigureSection, ...], Field(strict=False)] | None = None
    """The figures; default: one of each kind that the study has data for."""
