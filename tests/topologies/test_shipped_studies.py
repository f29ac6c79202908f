"""Every shipped study can be planned, and its figures are of what it has."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from airsplit.study.plan import plan_study
from airsplit.study.results import wrong_figures
from topologies.loading.study import load_study
from topologies.schema import STUDY_SCHEMA_FILE

STUDIES = sorted((STUDY_SCHEMA_FILE.parent / "studies").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_is_complete(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), json.loads(STUDY_SCHEMA_FILE.read_text()))
    loaded = load_study(path)
    assert loaded.study.name == path.stem
    plan = plan_study(loaded)
    assert len({each.cell.digest for each in plan.cells}) == len(plan.cells) > 0
    assert not [*wrong_figures(loaded)]
