"""Options and arguments that several commands share."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer


def named_values(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Return the values of an option that is given as COLUMN=VALUE. Raises ValueError."""
    pairs = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals):
            raise ValueError(f"{option} {text}: must be COLUMN=VALUE")
        pairs[name] = value
    return pairs


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
NoFigures = Annotated[bool, typer.Option("--no-figures", help="Draw none: saves seconds a run.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep channels and agents for other runs.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="With an error, also print Python's traceback.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Instead of the scenario's seed.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Change a value of the scenario.")]
Mlflow = Annotated[
    str | None, typer.Option("--mlflow", metavar="URI", help="Log the results at a server or store of MLflow.")
]
TensorBoard = Annotated[
    Path | None, typer.Option("--tensorboard", metavar="FOLDER", help="Log the results for TensorBoard.")
]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the folders of runs.")]
OutFile = Annotated[Path, typer.Option("--out", help="File to write.")]
BrokerAddress = Annotated[
    str, typer.Option("--broker", metavar="HOST:PORT", help="Or mqtt://HOST, or mqtts://HOST for TLS.")
]
BrokerUser = Annotated[str | None, typer.Option("--user", help="Name of a user of the broker.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Holds the user's password; by default $AIRSPLIT_BROKER_PASSWORD does."),
]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="Certificates that vouch for the broker (PEM).")]
ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN")]
TraceFile = Annotated[Path, typer.Argument(metavar="TRACE")]
RecordingFile = Annotated[Path, typer.Argument(metavar="FILE")]
DrawSeed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of all draws.")]
Columns = Annotated[
    str | None, typer.Option("--columns", help="For csv: what columns mean; for list: which run and series (see docs).")
]
Where = Annotated[
    list[str] | None, typer.Option("--where", metavar="COLUMN=VALUE", help="For csv: only rows with this value count.")
]
