"""The style of all figures: sizes and fonts for journals, lines that differ without colour."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from emulator.core.files import atomic_write, require_writable
from results.figures.latex_text import escape_texts, latex_errors, require_latex
from topologies.schema.study_figures import AxesSection, FigureStyleSection

COLUMN_IN = 3.5  # one column of a two-column page
PAGE_IN = 7.16  # both columns
PNG_DPI = 220

PLAIN = FigureStyleSection()
TIMES = ("Times New Roman", "Times", "Liberation Serif", "STIXGeneral")  # TrueType; the last comes with matplotlib
SUPPORTED_SUFFIXES = (".pdf", ".png", ".svg")
INK = "0.15"

RC_PARAMS: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.8,
    "ytick.minor.size": 1.8,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "airsplit",  # otherwise ids are random
    "text.parse_math": False,  # a name may hold a dollar
}

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.4, 1.2, 1.4)))
MARKERS = "osD^vPX<>*dph"
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "----", "++++")


class Look(NamedTuple):
    """How a line, point or bar is drawn; differs from others with and without colour."""

    color: tuple[float, float, float]
    linestyle: Any
    marker: str
    hatch: str = ""


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for each name, with colours evenly from dark to light, so that grey print keeps their order."""
    palette = sns.color_palette("viridis", 100)
    last = max(len(names) - 1, 1)
    return {
        name: Look(
            palette[round(84 * number / last)],
            DASHES[number % len(DASHES)],
            MARKERS[number % len(MARKERS)],
            HATCHES[number % len(HATCHES)],
        )
        for number, name in enumerate(names)
    }


def shown_policies(policies: Sequence[str], style: FigureStyleSection) -> list[str]:
    """Return the policies to show, in order: those that `style` names, or all. Raises ValueError for unknown ones."""
    unknown = [name for name in style.policies or () if name not in policies]
    if unknown:
        raise ValueError(f"policies={unknown[0]}: must be one of {', '.join(policies)}")
    return list(dict.fromkeys(style.policies or policies))


def font_settings(font: str) -> dict[str, Any]:
    """Return the settings of a font family of `FigureStyleSection`. Raises ValueError if it is not installed, and
    MissingDependency if LaTeX is not."""
    if font == "LaTeX":
        require_latex()
        return {"text.usetex": True, "font.family": "serif", "font.serif": ["Times"]}
    for family in TIMES if font == "Times" else (font,):
        try:
            font_manager.findfont(family, fallback_to_default=False)
        except ValueError:
            continue
        kind = "serif" if font == "Times" else "sans-serif"
        return {
            "font.family": kind,
            f"font.{kind}": [family],
            "mathtext.fontset": "stix" if font == "Times" else "dejavusans",
        }
    raise ValueError(f"font={font}: must be an installed font family, Times or LaTeX")


@contextmanager
def _style(style: FigureStyleSection = PLAIN) -> Iterator[None]:
    """Apply RC_PARAMS over the library's defaults, not over a user's matplotlibrc; restore all settings at the end."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC_PARAMS | font_settings(style.font))
        yield


@contextmanager
def page(height_in: float, width_in: float = PAGE_IN, style: FigureStyleSection = PLAIN) -> Iterator[Figure]:
    """Yield a figure to draw and save; the style applies only inside. `width_in` is the figure's own width."""
    with _style(style):
        yield Figure(figsize=(style.width_in or width_in, height_in), layout="constrained")


def is_narrow(style: FigureStyleSection, width_in: float) -> bool:
    """Return whether a figure has less than about two columns' width; `width_in` is its own width."""
    return (style.width_in or width_in) < (COLUMN_IN + PAGE_IN) / 2


def require_drawable(path: Path) -> None:
    """Raise ValueError (one line) unless the suffix and the folder of `path` allow writing a figure."""
    if path.suffix not in SUPPORTED_SUFFIXES:
        raise ValueError(f"{path}: ending must be one of {', '.join(SUPPORTED_SUFFIXES)}")
    require_writable(path)


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as pdf, png or svg, by the suffix of `path`. Without dates: equal data give equal files."""
    dates = {".pdf": {"CreationDate": None, "ModDate": None}, ".svg": {"Date": None}}
    kind = path.suffix.removeprefix(".")
    file = io.BytesIO()  # a full disk below the library raises errors that do not say so
    if mpl.rcParams["text.usetex"]:
        escape_texts(figure)
    with latex_errors():
        figure.savefig(file, format=kind, dpi=PNG_DPI, metadata=dates.get(path.suffix))
    _write(path, file)
    return path


@contextmanager
def pdf_pages(path: Path) -> Iterator[PdfPages]:
    """Yield a PDF for several figures, one per page, without dates."""
    dates = {"CreationDate": None, "ModDate": None}
    file = io.BytesIO()
    with _style(), PdfPages(file, metadata=dates) as pages:
        yield pages
    _write(path, file)


def _write(path: Path, file: io.BytesIO) -> None:
    """Write a whole file. Raises OSError with the path if it does not fit on the disk."""
    with atomic_write(path) as partial:
        partial.write_bytes(file.getbuffer())


def tidy(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """Keep the left and lower side of the frame, and the lines of one grid."""
    sns.despine(ax=axes)
    axes.grid(False)
    axes.grid(True, axis=grid)


def log_when_wide(axes: Axes, axis: str, low: float, high: float, ratio: float = 30) -> None:
    """Make the axis logarithmic if `high` is more than `ratio` times a positive `low`."""
    if low > 0 and high > ratio * low:
        getattr(axes, f"set_{axis}scale")("log")
        target = axes.xaxis if axis == "x" else axes.yaxis
        target.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        target.set_minor_formatter(mpl.ticker.NullFormatter())


def fit_axes(axes: Axes, wanted: AxesSection) -> None:
    """Give the axes the scales and limits that are wanted."""
    for axis in ("x", "y"):
        scale, limits = getattr(wanted, f"{axis}_scale"), getattr(wanted, f"{axis}_limits")
        if scale is not None:
            getattr(axes, f"set_{axis}scale")(scale)
        if limits is not None:
            getattr(axes, f"set_{axis}lim")(limits)
