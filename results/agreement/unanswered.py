"""Tasks of an emulation that were not answered, compared with those that the simulation does not answer either."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from results.run.manifest import EmulationFacts
from results.run.reading import readable


class Unanswered(NamedTuple):
    """Of `tasks` emulated tasks, the number that was not answered by reason; and the number that the simulation lost:
    failed, or with all its data erased on links."""

    tasks: int
    reasons: Mapping[str, int]
    simulated: int

    @property
    def excess(self) -> float:
        """The share of tasks that emulation lost beyond the simulation's number; 0 if it lost fewer."""
        return max(0, sum(self.reasons.values()) - self.simulated) / max(self.tasks, 1)


def count_unanswered(tasks: Path, simulated: str, emulated: str) -> Unanswered:
    """Count the rows of a tasks.parquet under the labels of an emulation. Raises ValueError for a damaged file."""
    with readable(tasks):
        table = pq.read_table(tasks, columns=["policy", "outcome", "reason", "erased_fraction"])
    real = table.filter(pc.field("policy") == emulated)
    lost = (pc.field("outcome") == "failed") | (pc.field("erased_fraction") >= 1.0)
    reasons = real.filter(pc.field("outcome") == "failed")["reason"].to_pylist()
    return Unanswered(
        real.num_rows,
        dict(Counter(reasons).most_common()),
        table.filter((pc.field("policy") == simulated) & lost).num_rows,
    )


def unanswered_sentence(facts: EmulationFacts) -> str:
    """Say how many emulated tasks were not answered, and where to look; "" if all were."""
    if not facts.unanswered:
        return ""
    reasons = ", ".join(f"{reason}: {count}" for reason, count in facts.unanswered.items())
    alike = f"; the simulation lost {facts.lost_in_simulation}" if facts.lost_in_simulation else ""
    return (
        f"{sum(facts.unanswered.values())} of {facts.tasks} emulated tasks were not answered ({reasons}{alike}): "
        "see their rows in tasks.parquet and events.parquet, and the stations' messages in hosts/*.log"
    )
