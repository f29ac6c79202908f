"""`python -m benchmarks.graph_cuts FOLDER`: what a minimum cut of a graph gains over the best cut of the chain in it.

An image of 8 bits a pixel and colour lies at the quickstart's glasses; its accelerator is the server. For each network
and codec the delay of the best division is computed over the rates of the link.
"""

import argparse
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.split_inference.graph_cut import Division
from airsplit.cli.output import print_rows
from emulator.core.arrays import Floats
from results.figures.style import COLUMN_IN, looks, page, save, tidy
from topologies.build.conversion import device_spec
from topologies.loading.loader import load
from topologies.models.graph_profiling import take_graph

SCENARIO = Path(__file__).parents[1] / "topologies" / "quickstart.yaml"
NETWORKS = ("resnet32", "resnet50", "efficientnet-lite0", "googlenet")
CODECS = ("fp32", "int8", "int4")
RATES_BPS = 10 ** np.linspace(5.5, 8.5, 121)
DRAWN = ("googlenet", "int4")
LEAST_GAIN = 1e-6  # less is rounding


class Delays(NamedTuple):
    """Delays in ms by rate, shape (rates,): all layers on the device, all on the server, the best cut of the chain, and
    the minimum cut of the graph; and whether the two cuts divide the network (False: all layers on one side)."""

    device: Floats
    server: Floats
    chain: Floats
    graph: Floats
    chain_divides: np.ndarray
    graph_divides: np.ndarray

    @property
    def gain(self) -> Floats:
        """The share of the delay that the graph's cut saves of the chain's."""
        return 1 - self.graph / self.chain


def division_of(network: str, codec: str) -> Division:
    """Return what is divided: a shipped network between the quickstart's glasses and accelerator."""
    devices = load(SCENARIO).devices
    graph = take_graph(network)
    device, server = (device_spec(devices[name]) for name in ("glasses", "accelerator"))
    return Division(graph, device, server, codec, input_bytes=prod(graph.profile.input_shape), result_bytes=1000)


def delays_of(division: Division, rates_bps: Floats) -> Delays:
    """Return the delays over the rates."""
    rows = []
    local_ms = division.best(0.0).value / 1e6
    for rate_bps in rates_bps:
        chain, graph = division.best_of_chain(rate_bps), division.best(rate_bps)
        remote = (0, *(1,) * (len(graph.placement) - 1))
        server_ms = division.delay_ns(remote, rate_bps) / 1e6
        divides = [each.placement not in {remote, (0,) * len(remote)} for each in (chain, graph)]
        rows.append((local_ms, server_ms, chain.value / 1e6, graph.value / 1e6, *divides))
    columns = np.array(rows).T
    return Delays(columns[0], columns[1], columns[2], columns[3], columns[4] > 0, columns[5] > 0)


def row_of(network: str, codec: str, delays: Delays, rates_bps: Floats) -> dict[str, object]:
    """Return a row of the table: where each cut divides the network, and what the graph's saves."""
    best = int(delays.gain.argmax())
    better = delays.gain > LEAST_GAIN
    return {
        "network": network,
        "codec": codec,
        "chain divides at Mbit/s": _span(rates_bps[delays.chain_divides]),
        "graph divides at Mbit/s": _span(rates_bps[delays.graph_divides]),
        "graph better at Mbit/s": _span(rates_bps[better]),
        "gain": f"{delays.gain[best]:.1%}" if better[best] else "none",
        "ms": f"{delays.graph[best]:.0f} for {delays.chain[best]:.0f}" if better[best] else "",
    }


def _span(rates_bps: Floats) -> str:
    return f"{rates_bps[0] / 1e6:.2g} to {rates_bps[-1] / 1e6:.2g}" if len(rates_bps) else "never"


def draw(delays: Delays, rates_bps: Floats, path: Path) -> Path:
    """Draw the delays over the rates around those at which the cuts differ. Return the path."""
    shown = {
        "all on the device": delays.device,
        "all on the server": delays.server,
        "best cut of the chain": delays.chain,
        "minimum cut of the graph": delays.graph,
    }
    with page(2.9, COLUMN_IN) as figure:
        axes = figure.subplots()
        for (name, values), look in zip(shown.items(), looks(list(shown)).values(), strict=True):
            axes.plot(
                rates_bps / 1e6, values, color=look.color, linestyle=look.linestyle, marker=look.marker,
                markevery=3, markersize=3.6, label=name,
            )  # fmt: skip
        better = rates_bps[delays.gain > LEAST_GAIN]
        low, high = (0.85 * better[0], 1.9 * better[-1]) if len(better) else (rates_bps[0], rates_bps[-1])
        within = (rates_bps >= low) & (rates_bps <= high)
        axes.set_xlim(low / 1e6, high / 1e6)
        axes.set_ylim(0.95 * delays.graph[within].min(), 1.15 * delays.device[0])
        axes.set(xlabel="Rate of the link (Mbit/s)", ylabel="Delay of an image (ms)")
        tidy(axes)
        figure.legend(loc="outside upper left", ncols=2, columnspacing=1)
        return save(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graph_cuts")
    parser.add_argument("folder", type=Path, help="of the figure")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    found = {(name, codec): delays_of(division_of(name, codec), RATES_BPS) for name in NETWORKS for codec in CODECS}
    print_rows([row_of(*key, delays, RATES_BPS) for key, delays in found.items()])
    for suffix in ("pdf", "png"):
        print(draw(found[DRAWN], RATES_BPS, folder / f"graph-cuts.{suffix}"))


if __name__ == "__main__":
    main()
