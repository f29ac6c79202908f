"""`python -m benchmarks.channel_figures FOLDER`: draw each figure as PDF and PNG, count the intervals that hold."""

import sys
from pathlib import Path

from benchmarks.channel_figures.make import FIGURES, make
from benchmarks.channel_figures.points import FULL, held, verdict

if len(sys.argv) != 2:
    sys.exit("usage: python -m benchmarks.channel_figures FOLDER")
counts = []
for name in FIGURES:
    for title, panel in make(name, Path(sys.argv[1]), FULL).items():
        print(f"{name}, {title}: {verdict(panel)}")
        counts += [held(panel)] if panel.exact else []
within, of = (sum(each) for each in zip(*counts, strict=True))
print(f"all together: {within} of {of}, {within / of:.1%}")
