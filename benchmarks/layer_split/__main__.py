"""`python -m benchmarks.layer_split [PART ...]`: the parts of the page on LayerSplit, as JSON lines.

`agents`: PPO over ten training seeds, and policies that learn nothing, against the optimum. `cuts`: the best split by
level with intervals, and whether more loss moves it away from the input. `surrogate`: the errors of surrogates. `live`:
PPO on surrogates, on the table and with the language model in the loop; trainings are kept in build/layer-split, and an
interrupted call continues. `traps`: what the printed form pays for its defects. `search`: the settings of
`make bench ONLY=ppo_time_to_optimum_layersplit`. `figure`: the figure of the page. Default: agents.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agents.layer_split.actions import Actions, AnySplit, Moves
from agents.layer_split.channels import CHANNELS
from agents.layer_split.losses import TABLE
from agents.layer_split.setting import MENDED, WIDE
from benchmarks.layer_split import agents, surrogate, time_to_optimum
from benchmarks.layer_split.best_split import LevelResult, direction, level_results, losses_of
from benchmarks.layer_split.figure import draw_best_splits
from benchmarks.layer_split.trainings import Trainings, plans
from benchmarks.layer_split.traps import traps
from topologies.quality.tables import load_quality
from topologies.quality.units import load_units

ROOT = Path(__file__).parents[2]
FIGURE = ROOT / "docs" / "layer-split" / "layer-split-best"
KEPT = ROOT / "build" / "layer-split"
PARTS = ("agents", "cuts", "surrogate", "live", "traps", "search", "figure")
ACTIONS: Mapping[str, Actions] = {"moves:1": Moves(), "moves:4": Moves(4), "any": AnySplit()}


def best_splits() -> dict[str, list[LevelResult]]:
    """Return the best splits of each channel by level."""
    units = load_units(str(TABLE))
    return {name: list(level_results(*losses_of(units, channel.delivery))) for name, channel in CHANNELS.items()}


def agent_lines(channels: list[str], names: list[str], seeds: int) -> Iterator[dict[str, object]]:
    """Yield a line for each channel, set of actions and policy."""
    for channel in channels:
        for name in names:
            setting = replace(MENDED, actions=ACTIONS[name], level_range=WIDE)
            for row in agents.rows(channel, setting, range(1, seeds + 1)):
                yield {"channel": channel, "actions": name, **row._asdict()}


def cut_lines() -> Iterator[dict[str, object]]:
    """Yield a line for each channel and level, and one for each channel's direction."""
    for channel, results in best_splits().items():
        for each in results:
            bests = {"quality": each.quality, "reward": each.reward}
            found = {f"{name}_{part}": getattr(best, part) for name, best in bests.items() for part in best._fields[:3]}
            yield {"channel": channel, "level": each.level, **found}
        for name in ("quality", "reward"):
            moved = direction(results, [getattr(each, name) for each in results])
            yield {"channel": channel, "best by": name, **moved._asdict()}


def surrogate_lines(channels: list[str]) -> Iterator[dict[str, object]]:
    """Yield a line for each surrogate."""
    units = load_units(str(TABLE))
    for channel in channels:
        for fit in surrogate.fits(units, channel, seed=1):
            yield {"channel": channel, **fit._asdict()}


def live_lines(channels: list[str], seeds: int, steps: int, live_seeds: int) -> Iterator[dict[str, object]]:
    """Yield a line for each source of losses that PPO is trained on."""
    for channel in channels:
        kept = Trainings(KEPT, channel, replace(MENDED, level_range=WIDE))
        for each in kept.comparison(plans(seeds, steps, live_seeds)):
            yield {"channel": channel, **each._asdict()}


def trap_lines(channels: list[str]) -> Iterator[dict[str, object]]:
    """Yield a line for each channel and trap."""
    for channel in channels:
        for trap in traps(channel):
            yield {"channel": channel, **trap._asdict()}


def figure_lines() -> Iterator[dict[str, object]]:
    """Draw the figure as PDF and PNG, and yield the paths."""
    FIGURE.parent.mkdir(exist_ok=True)
    for suffix in (".pdf", ".png"):
        yield {"figure": str(draw_best_splits(best_splits(), load_quality(str(TABLE)), FIGURE.with_suffix(suffix)))}


def count(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least `least`."""

    def parse(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text}: must be at least {least}")
        return int(text)

    return parse


parser = argparse.ArgumentParser(prog="python -m benchmarks.layer_split")
parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; default: agents")
parser.add_argument("--seeds", type=count(1), default=10, help="training seeds, from 1 on")
parser.add_argument("--live-steps", type=count(1), default=1_000, help="of a training with the model in the loop")
parser.add_argument("--live-seeds", type=count(0), default=3, help="of those, from 1 on; 0: none")
parser.add_argument("--search-s", type=float, default=120.0, help="processor time of the search for each side")
parser.add_argument("--channel", choices=tuple(CHANNELS), action="append", help="this one only; default: scalars")
parser.add_argument("--actions", choices=tuple(ACTIONS), action="append", help="these only; default: all")
given = parser.parse_args()
chosen = given.parts or ["agents"]
if unknown := set(chosen) - set(PARTS):
    parser.error(f"parts={' '.join(sorted(unknown))}: must be some of {', '.join(PARTS)}")
channels = given.channel or ["scalars"]
made = {
    "agents": lambda: agent_lines(channels, given.actions or list(ACTIONS), given.seeds),
    "cuts": cut_lines,
    "surrogate": lambda: surrogate_lines(channels),
    "live": lambda: live_lines(channels, given.seeds, given.live_steps, given.live_seeds),
    "traps": lambda: trap_lines(channels),
    "search": lambda: time_to_optimum.searched(given.search_s),
    "figure": figure_lines,
}
for part in chosen:
    for line in made[part]():
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in line.items()}
        print(json.dumps(rounded), flush=True)
