"""`airsplit models` and `schema`: what scenarios can name, and what their keys mean."""

from dataclasses import asdict
from typing import Annotated

import typer

from airsplit.cli.options import Json
from airsplit.cli.output import print_json, print_rows


def models(
    model: Annotated[str | None, typer.Argument(help="A model, or a profile's .json file: list its layers.")] = None,
    as_json: Json = False,
) -> None:
    """List the shipped models, or the layers of one; cut c lies before layer c."""
    from topologies.profiles import PROFILES_FOLDER, load_profile
    from topologies.profiles.shipped import shipped_models

    if model is None:
        rows = [each._asdict() for each in shipped_models()]
    else:
        rows = [{"layer": index, **asdict(layer)} for index, layer in enumerate(load_profile(model).layers)]
    if as_json:
        print_json(rows)
        return
    print_rows([{key: value for key, value in row.items() if key != "profile"} for row in rows])
    if model is None:
        print(f"profiles: {PROFILES_FOLDER}")


def schema(as_json: Json = False) -> None:
    """Print the path of the JSON Schema of scenarios, and the first line of a file that an editor checks by it."""
    from topologies.schema import SCHEMA_FILE

    facts = {"path": str(SCHEMA_FILE), "comment": f"# yaml-language-server: $schema={SCHEMA_FILE}"}
    print_json(facts) if as_json else print(*facts.values(), sep="\n")
