"""`airsplit trace ...`: make, import, export, check and draw traces."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from airsplit.cli.options import Columns, DrawSeed, Json, OutFile, RecordingFile, TraceFile, Where, named_values
from airsplit.cli.output import in_line, print_facts, print_json, print_notes, print_written
from emulator.channel.presets import PresetName
from emulator.channel.radio import Direction, Environment
from emulator.core.files import require_writable
from emulator.core.units import ns_from_text
from emulator.trace import Trace
from emulator.trace.formats import Format
from emulator.trace.writer import require_trace_file

trace_app = typer.Typer(help="Make, import, export, check and look at traces.", no_args_is_help=True)


@trace_app.command()
def new(
    out: Annotated[Path, typer.Option("--out", help="A folder; for one UE and one direction also a .parquet file.")],
    preset: Annotated[
        PresetName | None, typer.Option("--preset", help="Kind of network; default: that of --model, or n78-street.")
    ] = None,
    model: Annotated[
        Environment | None, typer.Option("--model", help="Environment of TR 38.901; default: the preset's.")
    ] = None,
    ues: Annotated[int, typer.Option("--ues", min=1, max=10_000)] = 1,
    direction: Annotated[Literal["both", "uplink", "downlink"], typer.Option("--direction")] = "both",
    duration: Annotated[str, typer.Option("--duration", help="Such as 60s, 500ms or 2min.")] = "60s",
    seed: DrawSeed = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="a.b=c", help="A scenario's key: cell.bandwidth_mhz=20, radio.speed_mps=10."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Generate the 5G NR channels of UEs in a cell."""
    from topologies.new_traces import new_traces, trace_request

    directions: tuple[Direction, ...] = ("uplink", "downlink") if direction == "both" else (direction,)
    found = []
    for path, sha256 in new_traces(
        trace_request(model, overrides or (), preset), ues, directions, ns_from_text("--duration", duration), seed, out
    ):
        found.append({"path": str(path), "sha256": sha256})
        if not as_json:
            print(path, sha256)
    if as_json:
        print_json(found)


@trace_app.command(name="import")
def import_(
    recording: RecordingFile,
    format_: Annotated[Format, typer.Option("--format")],
    out: OutFile,
    columns: Columns = None,
    where: Where = None,
    slot: Annotated[str | None, typer.Option("--slot", help="Cut into slots of this length, such as 1ms.")] = None,
    beside: Annotated[
        Path | None, typer.Option("--beside", metavar="FILE", help="End with this other direction, if it is shorter.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a recording into a trace. FILE may be compressed; - is standard input. What is doubtful is told."""
    from emulator.trace.formats import cut_to_length_of, read

    require_trace_file(out)
    chosen = named_values("--where", where or ())
    trace = read(recording, format_, columns, chosen)
    print_notes(recording, trace.metadata.get("notes", ()))
    if beside is not None:
        trace = cut_to_length_of(trace, read(beside, format_, columns, chosen))
    if slot is not None:
        trace = trace.resample(ns_from_text("--slot", slot))
    trace.save(out)
    print_written(out, trace.sha256, as_json)


@trace_app.command()
def rtt(recording: RecordingFile, as_json: Json = False) -> None:
    """Say what a `.list` file of pings holds, run by run."""
    from emulator.trace.formats import ping_summary

    runs = ping_summary(recording)
    if as_json:
        print_json(runs)
    for row in () if as_json else runs:
        print(in_line(row, "g"))


@trace_app.command()
def predict(
    recordings: Annotated[list[Path], typer.Argument(metavar="FILE ...")],
    out: OutFile,
    columns: Columns = None,
    width_mhz: Annotated[
        float | None, typer.Option("--width-mhz", min=1e-6, help="Bandwidth x shares of time and of the cell.")
    ] = None,
    fit: Annotated[
        Literal["width", "anchor"] | None,
        typer.Option("--fit", help="Instead of --width-mhz; anchor: LTE's rate beside NR, too. Without both: width."),
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option("--layers", min=1, max=4, help="The most of the link. Without: what fits; 4 with MCSs."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare recorded rates with those that the link model has for the recorded SINR: CSV or traces, a page each.

    The column `mcs` fits the receiver's loss; its errors are told, too, and those of `rank`."""
    from results.figures.predictions import prediction_pages
    from results.figures.style import require_drawable
    from results.prediction import calibration, facts, predict_files

    require_drawable(out)
    pages = predict_files(recordings, columns, calibration(fit, width_mhz), layers)
    prediction_pages(pages, out)
    rows = [{"file": name} | facts(prediction) for name, prediction in pages]
    if as_json:
        print_json({"path": str(out), "predictions": rows})
    for row in () if as_json else rows:
        print(in_line(row, ".3g"))


@trace_app.command()
def export(
    trace: TraceFile,
    format_: Annotated[Literal["mahimahi"], typer.Option("--format")],
    out: OutFile,
    as_json: Json = False,
) -> None:
    """Write a trace in another format."""
    from emulator.trace.formats import export_mahimahi

    require_writable(out)
    export_mahimahi(Trace.load(trace), out)
    print_written(out, None, as_json)


@trace_app.command()
def info(
    trace: Annotated[Path, typer.Argument(metavar="TRACE", help="With --runs: a recording.")],
    runs: Annotated[bool, typer.Option("--runs", help="List the runs that stand in a recording.")] = False,
    by: Annotated[str | None, typer.Option("--by", metavar="COLUMN", help="With --runs: tells runs apart.")] = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Say what a trace is, in a few numbers, or which runs a recording has."""
    from emulator.trace.formats import summary

    if not runs:
        if by is not None or columns is not None:
            raise ValueError("--by, --columns: must be given with --runs alone")
        print_facts(summary(Trace.load(trace)), as_json)
        return
    from emulator.trace.formats.runs import runs_of

    found = runs_of(trace, columns, by)
    if as_json:
        print_json(found)
    for row in () if as_json else found:
        print(in_line(row, ".6g"))


@trace_app.command()
def check(trace: TraceFile, as_json: Json = False) -> None:
    """Check a trace's values against every rule, and against their stored digest."""
    print_written(trace, Trace.load(trace).sha256, as_json)


@trace_app.command()
def plot(trace: TraceFile, out: OutFile, as_json: Json = False) -> None:
    """Draw a trace: PDF or PNG, by the file's ending."""
    from results.figures.trace import plot_trace

    require_writable(out)
    plot_trace(Trace.load(trace), out)
    print_written(out, None, as_json)


@trace_app.command()
def fit(
    recording: RecordingFile,
    out: OutFile,
    format_: Annotated[Format | None, typer.Option("--format")] = None,
    columns: Columns = None,
    until: Annotated[str | None, typer.Option("--until", help="Fit on what comes before this time alone.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", help="Of mean rates; a slot, or 100ms if longer.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw the recording and a draw side by side: PDF, PNG or SVG.")
    ] = None,
    seed: DrawSeed = 1,
    as_json: Json = False,
) -> None:
    """Learn the kind of a recording, to draw new traces of it. The model holds its samples, as private as they are.

    FILE is a trace or, with --format, a recording."""
    from emulator.trace.fitted import describe, learn, save_model
    from emulator.trace.formats import read
    from results.figures.fits import side_by_side
    from results.figures.style import require_drawable

    require_writable(out)
    if figure is not None:
        require_drawable(figure)
    trace = read(recording, format_ or "parquet", columns)
    if until is not None:
        trace = trace.until(ns_from_text("--until", until))
    model = learn(trace, None if sample is None else ns_from_text("--sample", sample))
    if figure is not None:
        side_by_side(model, seed, "ue1", figure)
    save_model(model, out)
    facts = {"path": str(out)} | describe(model)
    print_facts(facts, as_json)


@trace_app.command()
def draw(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="As `fit` wrote it.")],
    out: OutFile,
    duration: Annotated[str | None, typer.Option("--duration", help="Default: the model's horizon.")] = None,
    seed: DrawSeed = 1,
    entity: Annotated[str, typer.Option("--entity", help="Whose channel: part of every draw's address.")] = "ue1",
    as_json: Json = False,
) -> None:
    """Draw a new trace of a fitted recording's kind."""
    from emulator.trace.fitted import draw as draw_trace
    from emulator.trace.fitted import load_model

    require_trace_file(out)
    learned = load_model(model)
    duration_ns = learned.horizon_ns if duration is None else ns_from_text("--duration", duration)
    trace = draw_trace(learned, duration_ns, seed, entity)
    print_notes(out, trace.metadata["notes"])
    trace.save(out)
    print_written(out, trace.sha256, as_json)
