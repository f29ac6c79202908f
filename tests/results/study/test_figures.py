"""Figures and tables of a study come from its cells alone, say what they stand on, and follow the settings."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from results.study.captions import ranges
from results.study.cell_table import CellTable, cell_table
from results.study.figure_list import default_figures, study_figures
from results.study.pareto import on_front
from results.study.policy_figures import profile_table
from results.study.selection import narrowed, shown_study
from results.study.summary import comparisons, interquartile_means, means
from results.study.write import write_results
from tests.results.study.conftest import made_up_cells
from topologies.schema.study_figures import StudyFigureSection, StudyFiguresSection

LATEX = r"\documentclass{article}\usepackage{booktabs}\begin{document}\tiny %s \end{document}"
needs_latex = pytest.mark.skipif(
    any(shutil.which(name) is None for name in ("pdflatex", "latex", "dvipng")), reason="needs TeX Live"
)


def wanted(**values: Any) -> StudyFiguresSection:
    return StudyFiguresSection.model_validate(values)


def test_every_figure_has_a_pdf_with_truetype_fonts_a_png_and_a_caption(study_folder: Path) -> None:
    write_results(study_folder, wanted())
    figures = study_folder / "figures"
    names = {path.stem for path in figures.glob("*.pdf")}
    kinds = {"lines", "bars", "iqm", "profile", "improvement", "differences", "gap", "pareto"}
    assert {name.split("-")[0] for name in names} == kinds
    for name in names:
        pdf = (figures / f"{name}.pdf").read_bytes()
        assert b"/Type3" not in pdf and b"/Subtype /Type0" in pdf
        with Image.open(figures / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5
        caption = (figures / f"{name}.txt").read_text(encoding="utf-8")
        assert re.search(
            r"n = [\d to]+ (pairs of )?cells a point, on 6 channels; trained policies with 5 training seeds\.", caption
        )
        assert "Seeds: channels 0-5, arrivals 3, training 0-4." in caption
        assert "Intervals: 95 %, over channels" in caption
    assert pd.read_csv(study_folder / "tables" / "means.csv")["interval_over"].nunique() == 2


def test_equal_cells_give_equal_files(study_folder: Path) -> None:
    section = wanted(draw=[{"kind": "gap"}])
    before = [path.read_bytes() for path in write_results(study_folder, section)]
    assert [path.read_bytes() for path in write_results(study_folder, section)] == before


def test_settings_choose_policies_names_width_and_cells(made_up: CellTable, study_folder: Path) -> None:
    section = wanted(
        width_in=3.5,
        font="Times",
        policies=["a3c", "ppo"],
        labels={"ppo": "PPO [ours]"},
        draw=[{"kind": "bars", "name": "one", "where": {"variant": "um", "speed_mps": 10}, "y_limits": [0, 1]}],
    )
    write_results(study_folder, section)
    assert {path.name for path in (study_folder / "figures").iterdir()} == {"one.pdf", "one.png", "one.txt"}
    with Image.open(study_folder / "figures" / "one.png") as picture:
        assert picture.width == pytest.approx(3.5 * 220, abs=1)
    pdf = (study_folder / "figures" / "one.pdf").read_bytes()
    assert any(name in pdf for name in (b"LiberationSerif", b"STIX", b"Times"))
    study = shown_study(made_up, section)
    assert (study.policies, study.reference) == (["a3c", "ppo"], "ppo")
    table = (study_folder / "tables" / "means.tex").read_text(encoding="utf-8")
    assert "PPO [ours]" in table and "exact" not in table


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"policies": ["pp"]}, r"^policies=pp: must be one of ppo, exact, a3c, all-edge$"),
        ({"reference": "x"}, r"^reference=x: must be one of"),
        ({"font": "No Such Font"}, r"^font=No Such Font: must be an installed font family, Times or LaTeX$"),
        (
            {"draw": [{"kind": "lines", "over": "load"}]},
            r"^draw\[0\]\.over=load: must be a swept parameter: speed_mps$",
        ),
        ({"draw": [{"kind": "gap", "where": {"load": 1}}]}, r"^draw\[0\]\.where\.load: must be variant or a swept"),
        ({"draw": [{"kind": "gap", "where": {"speed_mps": 2}}]}, r"where\.speed_mps=2\.0: must be one of 1, 10, 30$"),
        ({"draw": [{"kind": "iqm", "metric": "quality_loss_mean"}]}, r"^draw\[0\]\.metric=quality_loss_mean: no cell"),
        ({"draw": [{"kind": "gap"}, {"kind": "gap"}]}, r"^draw\[1\]\.name=gap: must be unique"),
    ],
)
def test_what_the_study_has_no_data_for_is_refused(study_folder: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_results(study_folder, wanted(**values))


def test_too_many_panels_are_refused_and_left_out_by_default() -> None:
    table = cell_table(made_up_cells(tuple("abcdefg")), ["speed_mps"])
    with pytest.raises(ValueError, match=r"^draw\[0\]\.kind=lines: would have 7 panels, at most 6 can be read"):
        list(study_figures(shown_study(table, wanted(draw=[{"kind": "lines"}]))))
    kinds = [section.kind for section in default_figures(shown_study(table, wanted()))]
    assert not {"lines", "bars", "pareto"} & set(kinds)


def test_numbers_of_figures_are_those_of_plain_loops(made_up: CellTable) -> None:
    study = shown_study(made_up, wanted())
    cells = study.cells
    keys = ["variant", "speed_mps", "policy"]
    table = means(cells, keys[:2], ["cost_mean_s", "gap", "failed_share"])
    found = table.pivot(index=keys, columns="metric", values="value").to_dict("index")
    for key, own in cells.groupby(keys):
        costs, bounds = list(own["cost_mean_s"]), list(own["bound_mean_s"])
        assert found[key]["cost_mean_s"] == pytest.approx(sum(costs) / len(costs))
        assert found[key]["gap"] == pytest.approx(sum(costs) / sum(bounds) - 1)
        assert found[key]["failed_share"] == pytest.approx(sum(own["failed"]) / 100 / len(own))
    middle = interquartile_means(cells, [], "cost_mean_s").set_index("policy")["value"]
    for policy, own in cells.groupby("policy"):
        ordered = sorted(own["cost_mean_s"])
        cut = len(ordered) // 4
        assert middle[policy] == pytest.approx(np.mean(ordered[cut : len(ordered) - cut]))
    curves = profile_table(study, "gap")
    for row in curves.iloc[::97].to_dict("records"):
        gaps = list(cells.loc[cells["policy"] == row["policy"], "gap"])
        assert row["value"] == pytest.approx(sum(gap <= row["threshold"] for gap in gaps) / len(gaps))
    assert (curves["low"] <= curves["value"]).all() and (curves["value"] <= curves["high"]).all()


def test_comparisons_know_what_was_made_up(made_up: CellTable) -> None:
    """All-edge costs more on every channel: with 6 channels and 3 tests the least corrected p-value is 3 * 2 / 2^6 of
    the exact test."""
    study = shown_study(made_up, wanted())
    table = comparisons(study.cells, study.settings, ["exact", "all-edge", "ppo"], "exact", "cost_mean_s")
    worse = table.set_index("policy").loc["all-edge"]
    assert worse["improvement"] == 0 and worse["low"] > 0
    assert worse["p"] == 2 / 2**6
    own = study.cells.groupby("policy")["cost_mean_s"].mean()
    assert worse["value"] == pytest.approx(own["all-edge"] - own["exact"])


def test_the_difference_of_gaps_is_that_of_ratios_of_sums_which_also_choose_the_reference(made_up: CellTable) -> None:
    study = shown_study(made_up, wanted(metric="gap"))
    sums = study.cells.groupby("policy")[["cost_mean_s", "bound_mean_s"]].sum()
    gaps = sums["cost_mean_s"] / sums["bound_mean_s"] - 1
    assert study.reference == gaps.idxmin() and study.policies == list(gaps.sort_values().index)
    table = comparisons(study.cells, study.settings, study.policies, study.reference, "gap").set_index("policy")
    for policy, row in table.iterrows():
        assert row["value"] == pytest.approx(gaps[str(policy)] - gaps[study.reference])
        assert row["relative"] == pytest.approx(row["value"] / gaps[study.reference])


def test_the_caption_of_improvement_names_the_seeds_of_the_reference(made_up: CellTable) -> None:
    """Two trained policies are compared over all 5 * 5 pairs of seeds, on 6 channels in 6 settings."""
    section = wanted(policies=["a3c", "ppo"], draw=[{"kind": "improvement"}, {"kind": "differences"}])
    improvement, differences = (each.caption for each in study_figures(shown_study(made_up, section)))
    assert "n = 900 pairs of cells" in improvement and "training seeds of the reference" in improvement
    assert "n = 180 pairs of cells" in differences and "training seeds of the reference" not in differences


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9))
@settings(max_examples=50)
def test_the_front_is_what_no_point_dominates(points: list[tuple[int, int]]) -> None:
    for point, on in zip(points, on_front(np.array(points, float)), strict=True):
        beaten = any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in points)
        assert on == (not beaten)


def test_few_channels_have_no_intervals_and_the_caption_says_so(made_up: CellTable) -> None:
    cells = made_up.cells[(made_up.cells["channel_seed"] < 4) & (made_up.cells["policy"] != "ppo")]
    few = cell_table(cells[cells["training_seed"].fillna(0) < 4], ["speed_mps"])
    (figure,) = study_figures(shown_study(few, wanted(draw=[{"kind": "gap"}])))
    assert figure.caption.endswith("No intervals: fewer than five channels and training seeds.")


def test_ranges_of_seeds_are_short() -> None:
    assert ranges([0, 1, 2, 3, 7, 9, 10]) == "0-3, 7, 9-10"


def test_a_study_without_finished_cells_is_refused(made_up: CellTable) -> None:
    with pytest.raises(ValueError, match="no cell of the study is finished"):
        shown_study(CellTable(made_up.cells.iloc[:0], made_up.parameters), wanted())
    with pytest.raises(ValueError, match="no cell has one"):
        narrowed(shown_study(made_up, wanted()), StudyFigureSection(kind="iqm", metric="delay_p99_ms"))


@needs_latex
def test_tables_compile_and_latex_sets_the_text_of_figures(study_folder: Path) -> None:
    names = {"all-edge": "50 % & more_#1 {x}"}
    write_results(study_folder, wanted(font="LaTeX", labels=names, draw=[{"kind": "gap"}, {"kind": "bars"}]))
    body = "\n\n".join((study_folder / "tables" / f"{name}.tex").read_text() for name in ("means", "comparisons"))
    (study_folder / "all.tex").write_text(LATEX % body, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=study_folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert b"/Type3" not in (study_folder / "figures" / "gap.pdf").read_bytes()
