"""A recording in a scenario is read as `airsplit trace import` reads it."""

from pathlib import Path

import numpy as np

from topologies.build.trace_sources import TraceSource
from topologies.schema.links import DirectionSection, TraceFileSection


def test_rows_of_a_recording_in_a_scenario_are_chosen_by_the_value_of_a_column(tmp_path: Path) -> None:
    rows = "".join(f"{run};{at};{run},{at}\n" for run in (1, 2) for at in range(3))
    (tmp_path / "a.csv").write_text("run;t;mbps\n" + rows)
    section = TraceFileSection(file="a.csv", format="csv", columns="time=t,rate=mbps", where={"run": 2})
    source = TraceSource(seed=1, duration_ns=10**9, folder=tmp_path, use="run")
    trace = source.specified(DirectionSection(trace=section), "ue1-uplink")
    np.testing.assert_array_equal(trace.capacity_bits / 1e6, [2, 2.1, 2.2])
