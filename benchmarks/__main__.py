"""`make bench`: one JSON object a line on standard output as soon as it is measured, progress on standard error.

`python -m benchmarks sim cell` (`make bench ONLY="sim cell"`) runs those benchmarks only.
"""

import sys
from functools import partial

from benchmarks import cell, channel, codecs, coupled_env, learning, study, tasks, vector_env
from benchmarks.block_placement import time_to_optimum as block_placement_time
from benchmarks.layer_split import time_to_optimum as layer_split_time
from benchmarks.rows import Benchmark, run_benchmarks

BENCHMARKS: dict[str, Benchmark] = {
    **{f"sim_n{clients}": partial(tasks.speed_rows, clients) for clients in tasks.CLIENTS},
    "sim_memory": tasks.memory_rows,
    "vector_env": vector_env.rows,
    "coupled_env": coupled_env.rows,
    "ppo": learning.ppo_rows,
    "ppo_time_to_optimum_blockplacement": block_placement_time.rows,
    "ppo_time_to_optimum_layersplit": layer_split_time.rows,
    "a3c": learning.a3c_rows,
    "channel": channel.rows,
    "cell": cell.rows,
    "codec": codecs.rows,
    "study": study.rows,
}

if __name__ == "__main__":
    sys.exit(run_benchmarks(BENCHMARKS, sys.argv[1:]))
