"""`airsplit doctor`: what this machine has."""

from airsplit.cli.options import Json
from airsplit.cli.output import print_json


def doctor(as_json: Json = False) -> None:
    """Say what this machine has for real-time emulation and hosts, and what to install for the rest."""
    from hil.doctor import examine

    findings = list(examine())
    if as_json:
        print_json([finding._asdict() for finding in findings])
    for name, found, detail, remedy in () if as_json else findings:
        print(f"{name:13}{'yes' if found else 'no':4}{detail if found else remedy}")
