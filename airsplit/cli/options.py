"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Instead of the scenario's seed.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Change a value of the scenario.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the folders of runs.")]
OutFile = Annotated[Path, typer.Option("--out", help="File to write.")]
BrokerAddress = Annotated[str, typer.Option("--broker", metavar="HOST:PORT")]
ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN")]
TraceFile = Annotated[Path, typer.Argument(metavar="TRACE")]
RecordingFile = Annotated[Path, typer.Argument(metavar="FILE")]
DrawSeed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of all draws.")]
Columns = Annotated[
    str | None, typer.Option("--columns", help="For csv: what columns mean; for list: which run and series (see docs).")
]
