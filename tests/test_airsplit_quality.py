"""`airsplit quality` on the command line: a small table of a shipped model, and refusals in one line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airsplit.cli import app
from emulator.core.errors import MissingDependency
from topologies.datasets.fashion_mnist import dataset_folder
from topologies.quality.tables import load_calibration, load_quality


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["quality", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


@pytest.fixture
def images() -> None:
    try:
        dataset_folder()
    except MissingDependency as missing:
        pytest.skip(str(missing))


@pytest.mark.usefixtures("images")
def test_a_table_is_measured_written_and_printed(tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    options = ("--cuts", "1,3-4", "--harms", "packets:300,noise:1", "--levels", "0.2,1", "--seeds", 5, "--units", 1)
    printed = call("resnet8-fashion", *options, "--conceal", "none/zero,scatter/mean", "--out", out)
    table = load_quality(str(out))
    assert table.cuts == (1, 3, 4)
    assert table.codecs == ("fp32", "int4", "int8")
    assert table.deliveries == (
        "noise:1/none/zero",
        "noise:1/scatter/mean",
        "packets:300/none/zero",
        "packets:300/scatter/mean",
    )
    assert len(table.rows) == 3 * (3 + 4 * 2)
    assert table.base > 0.85
    everything_lost = table.loss(1, "int8", "packets:300/none/zero", 1.0)
    assert everything_lost > 0.6  # one class in ten is left
    assert printed.splitlines()[-1] == str(out)
    assert len(printed.splitlines()) == 1 + len(table.rows) + 1
    assert set(load_calibration(str(out))) == {1, 3, 4}
    assert {path.name for path in tmp_path.iterdir()} == {"table.json", "table.npz", "table.units.npz"}
    again = json.loads(call("resnet8-fashion", "--cuts", 4, "--seeds", 2, "--out", tmp_path / "other.json", "--json"))
    assert [row["codec"] for row in again["rows"]] == ["fp32", "int8", "int4"]
    assert again["rows"][0]["interval"] == ""  # fewer than five seeds have none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cuts", "1,x"), "--cuts 1,x: must be whole numbers or ranges, such as 1,4-6"),
        (("--cuts", "5-4"), "--cuts 5-4: must have at least one number"),
        (("--cuts", "0"), "cut=0: must be between 1 and 11, the last cut of nin"),
        (("--cuts", "12"), "cut=12: must be between 1 and 11, the last cut of nin"),
        (("--cuts", "1", "--codecs", "int3"), "codec=int3: must be one of fp32, "),
        (("--cuts", "1", "--harms", "rain"), "harm=rain: must be scalars, packets:BYTES, "),
        (("--cuts", "1", "--conceal", "none"), "recipe=none: must be INTERLEAVING/CONCEALMENT"),
        (("--cuts", "1", "--levels", "0.1,2"), "--levels 0.1,2: must be numbers above 0 and at most 1"),
        (("--cuts", "1"), "model=nin: must be a trained one: "),
        (("--cuts", "1", "--harms", "packets:9", "--conceal", "none/zero/t1"), "recipe=none/zero/t1: must protect no "),
        (("--cuts", "1", "--harms", "bursts:9x4", "--levels", "0.9"), "share=0.9: bursts of mean 4 lose at most 0.8"),
        (("--cuts", "1-9999999"), "--cuts 1-9999999: must be whole numbers or ranges, such as 1,4-6"),
        (("--cuts", "1", "--harms", "packets:1e300"), "harm=packets:1e300: must be scalars, packets:BYTES, "),
        (("--cuts", "1", "--harms", "packets:1.5"), "harm=packets:1.5: must be scalars, packets:BYTES, "),
        (("--cuts", "1", "--text", "a.txt"), "--text a.txt: must not be given, since nin takes images"),
    ],
)
def test_refusals(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    with pytest.raises(ValueError) as refusal:
        CliRunner().invoke(app, ["quality", "nin", *options, "--out", str(out)], catch_exceptions=False)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken.npz").mkdir()
    for name, message in (
        ("table.csv", "must end in .json"),
        ("no/table.json", "folder must exist"),
        ("taken.json", r"taken\.npz: must be a file, not a folder"),
    ):
        arguments = ["quality", "nin", "--cuts", "1", "--out", str(tmp_path / name)]
        with pytest.raises(ValueError, match=message):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
