"""Text of figures that LaTeX sets, and text in LaTeX tables."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from emulator.core.errors import MissingDependency

PROGRAMS = ("latex", "dvipng")
ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "µ": r"$\mu$",
}


def require_latex() -> None:
    """Raise MissingDependency unless the programs that set text with LaTeX are installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise MissingDependency(
            f"font=LaTeX: program {missing[0]} is missing; install TeX Live, or choose another font"
        )


@contextmanager
def latex_errors() -> Iterator[None]:
    """Raise MissingDependency, one line, if LaTeX cannot set a text inside: it lacks packages."""
    try:
        yield
    except RuntimeError as error:
        reason = next((line for line in str(error).splitlines() if line.startswith("! ")), str(error))
        raise MissingDependency(f"font=LaTeX: {' '.join(reason.split())[:200]}; install TeX Live's packages") from error


def latex(text: str) -> str:
    """Return text with the characters that LaTeX reads as commands written out."""
    return "".join(ESCAPES.get(letter, letter) for letter in text)


def escape_texts(figure: Figure) -> None:
    """Write out commands in all texts of a figure but those that formatters of numbers make, which are formulas."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            formatter = axis.get_major_formatter()
            if isinstance(formatter, FixedFormatter):
                axis.set_major_formatter(FixedFormatter([latex(text) for text in formatter.seq]))
    ticks = {id(label) for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and id(text) not in ticks:
            text.set_text(latex(text.get_text()))
