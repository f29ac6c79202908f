"""`airsplit quality`: measure what coarse and damaged activations cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airsplit.cli.options import Json, OutFile, Quiet, Traceback
from airsplit.cli.output import print_json, print_rows

if TYPE_CHECKING:
    from emulator.quality import QualityTable


def quality(
    model: Annotated[str, typer.Argument(help="A shipped trained model, or a language model: folder:PATH, hub:ID.")],
    cuts: Annotated[str, typer.Option("--cuts", metavar="1,4-6", help="Cut c lies before layer c.")],
    out: OutFile,
    codecs: Annotated[str, typer.Option("--codecs", metavar="int8,int4")] = "int8,int4",
    harms: Annotated[
        str,
        typer.Option(
            "--harms",
            metavar="packets:1500,noise:1",
            help="Of scalars, packets:BYTES, bursts:BYTESxMEAN, link:BYTES, tokens, noise, noise:M. Default: none.",
        ),
    ] = "",
    levels: Annotated[
        str,
        typer.Option("--levels", metavar="0.01,0.1", help="Shares that are lost; of noise, its power over a token's."),
    ] = "0.01,0.02,0.05,0.1,0.2,0.5,1",
    conceal: Annotated[
        str,
        typer.Option(
            "--conceal",
            metavar="none/zero,scatter/mean/t1/d4",
            help="INTERLEAVING/CONCEALMENT, then what is protected: tTOKENS, dDIMENSIONS.",
        ),
    ] = "none/zero",
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=100, help="Five or more have an interval.")] = 5,
    units: Annotated[
        int, typer.Option("--units", min=1, max=1000, help="Windows of the text, or groups of 50 images, of each seed.")
    ] = 2,
    tokens: Annotated[int, typer.Option("--tokens", min=2, max=4096, help="Of a window of the text.")] = 128,
    text: Annotated[Path | None, typer.Option("--text", help="Instead of Python's manual (pydoc_data.topics).")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    _: Traceback = False,
) -> None:
    """Measure what codecs, losses and noise at a model's cuts cost in its answers, and write the table that simulations
    use. The same call after an interruption continues."""
    from emulator.activation.codecs import codec
    from emulator.activation.delivery import ActivationDelivery, parse_recipe
    from emulator.activation.harms import parse_harm
    from results.progress import RunProgress
    from topologies.quality.data import SampleSize
    from topologies.quality.measurement import cases
    from topologies.quality.run import measure_model

    if out.suffix != ".json":
        raise ValueError(f"--out {out}: must end in .json, by which scenarios know files of quality tables")
    names = entries(codecs)
    for name in names:
        codec(name)
    recipes = [parse_recipe(recipe) for recipe in entries(conceal)]
    deliveries = [str(ActivationDelivery(parse_harm(harm), recipe)) for harm in entries(harms) for recipe in recipes]
    wanted = cases(numbers("--cuts", cuts), names, deliveries, shares(levels))
    size = SampleSize(seeds, units, tokens)
    with RunProgress(quiet) as progress:
        measured = measure_model(model, wanted, size, text, out, progress)
    print_json({"path": str(out), "rows": rows_of(measured)}) if as_json else print_rows(rows_of(measured))
    if not as_json:
        print(out)


def entries(text: str) -> list[str]:
    """Return the entries of a list with commas; none of an empty text."""
    return [each.strip() for each in text.split(",")] if text else []


def numbers(option: str, text: str) -> list[int]:
    """Return the numbers of a text such as `1,4-6`. Raises ValueError."""
    found: set[int] = set()
    for entry in entries(text):
        first, dash, last = entry.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or max(len(first), len(last)) > 4:
            raise ValueError(f"{option} {text}: must be whole numbers or ranges, such as 1,4-6")
        found |= set(range(int(first), int(last if dash else first) + 1))
    if not found:
        raise ValueError(f"{option} {text}: must have at least one number")
    return sorted(found)


def shares(text: str) -> list[float]:
    """Return the levels of a list. Raises ValueError unless each is above 0 and at most 1."""
    try:
        found = [float(entry) for entry in entries(text)]
    except ValueError:
        found = []
    if not found or not all(0 < share <= 1 for share in found):
        raise ValueError(f"--levels {text}: must be numbers above 0 and at most 1, such as 0.01,0.1")
    return found


def rows_of(table: "QualityTable") -> list[dict[str, object]]:
    """Return the rows of a measured table as they are printed."""
    from math import exp, isnan

    is_language = table.unit == "nats a token"
    return [
        {
            "cut": row.cut,
            "codec": row.codec,
            "delivery": row.delivery or "-",
            "level": f"{row.level:g}",
            "loss": f"{row.loss:.4f}",
            "interval": "" if isnan(row.low) else f"{row.low:.4f}..{row.high:.4f}",
            "perplexity" if is_language else table.unit: (
                f"{exp(table.base + row.loss):.2f}" if is_language else f"{table.base - row.loss:.3f}"
            ),
            "agreement": f"{row.agreement:.3f}",  # the same where it is the unit
        }
        for row in table.rows
    ]
