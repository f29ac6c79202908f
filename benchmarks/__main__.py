"""`make bench`: all rows as one JSON list on standard output, progress on standard error."""

import json
import sys

from benchmarks import cell, channel, tasks, vector_env

if __name__ == "__main__":
    json.dump([*tasks.rows(), *vector_env.rows(), *channel.rows(), *cell.rows()], sys.stdout, indent=2)
    print()
