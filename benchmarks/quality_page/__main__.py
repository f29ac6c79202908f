"""`python -m benchmarks.quality_page TABLES FIGURES`: measure the shipped tables again, and draw the page's figures.

`--draw` draws the tables as they are.
"""

import argparse
import time
from pathlib import Path

from benchmarks.quality_page.figures import draw_figures
from benchmarks.quality_page.plan import FULL, FURTHER
from results.progress import RunProgress
from topologies.quality.run import measure_model
from topologies.quality.tables import load_quality

parser = argparse.ArgumentParser(prog="python -m benchmarks.quality_page")
parser.add_argument("tables", type=Path, help="folder of the tables")
parser.add_argument("figures", type=Path, help="folder of the figures")
parser.add_argument("--draw", action="store_true", help="only draw, from the tables as they are")
plans = {**FULL, **FURTHER}
parser.add_argument("--model", choices=tuple(plans), action="append", help="measure this one only")
given = parser.parse_args()
for name in () if given.draw else given.model or plans:
    plan = plans[name]
    begun_s = time.process_time()
    with RunProgress(quiet=False) as progress:
        measure_model(Path(name).name, plan.cases, plan.size, None, given.tables / f"{name}.json", progress)
    print(f"{name}: {time.process_time() - begun_s:.0f} CPU s")
for path in draw_figures({name: load_quality(str(given.tables / f"{name}.json")) for name in FULL}, given.figures):
    print(path)
