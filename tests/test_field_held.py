"""`realtime.compute: held`: an emulation of devices that are faster than this machine."""

from pathlib import Path

import pandas as pd

from tests.commands import call
from tests.test_airsplit_emulate_run import OFFERED, emulates, failed_checks, run_emulated

IMPOSSIBLE = tuple(
    argument for key in ("compute_gflops", "memory_gb_per_s") for argument in ("--set", f"devices.server.{key}=1e8")
)
TOLERANCE_NS = 2_000_000  # the default of `realtime.lateness_ms`


@emulates
def test_field_server_of_an_impossible_speed_is_emulated(tmp_path: Path) -> None:
    vgg16 = ("--set", "tasks[0].model=vgg16")  # its activations take the uplink ten seconds
    done = run_emulated(
        tmp_path, "--policy", "fixed", *IMPOSSIBLE, *vgg16, compute="held", duration_s=1.5, grace_s=60.0
    )
    assert (done.code, done.manifest["valid"]) == (0, True), failed_checks(done.manifest)
    assert done.manifest["facts"]["emulation"]["compute"] == "held"
    tasks = pd.read_parquet(done.run / "tasks.parquet").set_index(["policy", "task"])
    stages = pd.read_parquet(done.run / "stages.parquet").set_index(["policy", "task", "stage"])
    simulated, real = stages.loc["fixed"], stages.loc["fixed@emulated"]
    assert len(tasks.loc["fixed@emulated"]) == OFFERED // 2
    on_server = real.xs(1, level="stage")["service_ns"]
    extra_ns = (real["service_ns"] - simulated["service_ns"]).dropna()
    assert simulated.xs(1, level="stage")["service_ns"].max() < 1_000_000  # vgg16: this machine needs some 100 ms
    assert (extra_ns >= 0).all() and extra_ns.median() < TOLERANCE_NS and on_server.median() < TOLERANCE_NS
    assert set(tasks.loc["fixed@emulated"]["compute"]) == {"held"}
    assert "were not computed" in (done.run / "report.html").read_text()
    again = call("rerun", done.run)
    assert again.returncode == 0, again.stderr
