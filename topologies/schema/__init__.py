"""Pydantic models of the scenario file and of the study file."""

from pathlib import Path

SCHEMA_FILE = Path(__file__).parents[1] / "scenario.schema.json"  # for editors; a test holds it equal to the models
STUDY_SCHEMA_FILE = SCHEMA_FILE.with_name("study.schema.json")  # likewise
