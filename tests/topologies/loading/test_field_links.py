"""UEs with several links: those that no message crosses are refused, and base stations fade independently."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from airsplit import simulate
from emulator.channel.radio import Carrier, Fading, Radio
from emulator.channel.small_scale.site_fading import SiteFading
from emulator.simulation.network import Network
from topologies.build import build
from topologies.loading.link_checks import check_routes_of_sources
from topologies.loading.loader import load
from topologies.loading.rule_input import RuleInput
from topologies.schema.scenario import Scenario

UP_AND_DOWN = {"uplink": {"rate_mbps": 20}, "downlink": {"rate_mbps": 50}}


def scenario_of(links: list[dict[str, Any]], cells: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Return a scenario in which ue1 has images, with servers edge1 and edge2."""
    return {
        "name": "two",
        "seed": 1,
        "duration_s": 4,
        "nodes": [
            {"name": "ue1", "role": "ue", "device": "any"},
            {"name": "gnb1", "role": "gnb"},
            {"name": "gnb2", "role": "gnb"},
            {"name": "edge1", "role": "edge", "device": "any"},
            {"name": "edge2", "role": "edge", "device": "any"},
        ],
        "devices": {"any": {"compute_gflops": 200, "memory_mb": 8000, "memory_gb_per_s": 30}},
        "cells": cells,
        "links": links,
        "tasks": [
            {
                "name": "image",
                "model": "alexnet",
                "sources": "all",
                "arrivals": {"poisson": {"rate_per_s": 2}},
                "deadline_ms": 300,
                "input_kb": 60,
                "cuts": [2],
            }
        ],
        "control": {"node": "gnb1"},
        "cost": {"failure_s": 1},
        "policies": [{"type": "exact"}],
        **keys,
    }


def radio(station: str, **keys: Any) -> dict[str, Any]:
    way = {"to_and_fro_m": [[30, 0], [150, 0]], "speed_mps": 30}
    return {"between": ["ue1", station], "radio": way | {"fading": {"profile": "rayleigh"}} | keys}


def wire(a: str, b: str) -> dict[str, Any]:
    return {"between": [a, b], "rate_mbps": 1000}


CELLS = {"gnb1": {"sites_m": [[0, 0]]}, "gnb2": {"sites_m": [[200, 0]]}}
ONE_WAY_OUT = [wire("gnb1", "edge1"), wire("gnb2", "edge1"), wire("edge1", "edge2")]
OWN_SERVERS = [wire("gnb1", "edge1"), wire("gnb2", "edge2"), wire("gnb1", "gnb2")]


def written(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def test_field_second_link_to_the_same_servers_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, scenario_of([radio("gnb1"), radio("gnb2"), *ONE_WAY_OUT], CELLS))
    message = re.escape(
        "two.yaml:45: links[1].between=[ue1, gnb2]: must be on the shortest paths of ue1's messages in both directions,"
        " and those go by links[0].between=[ue1, gnb1]; leave out one of the links (a cell with several sites_m hands"
        " its UEs over from site to site)"
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        load(path)


def test_field_refused_link_has_no_effect_and_used_links_have() -> None:
    """The records of all policies are the same whatever the rate of a refused link."""

    def delays(outside: list[dict[str, Any]], second_mbps: float) -> list[Any]:
        second = {"between": ["ue1", "gnb2"], "uplink": {"rate_mbps": second_mbps}, "downlink": {"rate_mbps": 50}}
        links = [{"between": ["ue1", "gnb1"], **UP_AND_DOWN}, second, *outside]
        system = build(Scenario.model_validate(scenario_of(links, {})), Path())
        return [simulate(system, policy).tasks["sojourn_ns"].tolist() for policy in ("exact", "random")]

    assert delays(ONE_WAY_OUT, 1) == delays(ONE_WAY_OUT, 100)
    assert delays(OWN_SERVERS, 1) != delays(OWN_SERVERS, 100)


def test_field_links_to_servers_of_their_own_are_both_used(tmp_path: Path) -> None:
    path = written(tmp_path, scenario_of([radio("gnb1"), radio("gnb2"), *OWN_SERVERS], CELLS))
    network = Network(build(load(path), tmp_path))
    for server, station in (("edge1", "gnb1"), ("edge2", "gnb2")):
        there, back = network.route("ue1", server), network.route(server, "ue1")
        assert [link.spec.target for link in there] == [station, server]
        assert [link.spec.source for link in back] == [server, station]


@given(
    behind=st.lists(st.sampled_from([("gnb1",), ("gnb2",), ("gnb1", "gnb2")]), min_size=2, max_size=2),
    between_stations=st.booleans(),
    between_servers=st.booleans(),
    order=st.randoms(use_true_random=False),
    broker=st.sampled_from([None, "gnb1", "gnb2", "edge1"]),
)
def test_field_links_are_refused_exactly_if_a_direction_is_on_no_route(
    behind: list[tuple[str, ...]], between_stations: bool, between_servers: bool, order: Any, broker: str | None
) -> None:
    links = [wire(station, f"edge{number}") for number, stations in enumerate(behind, 1) for station in stations]
    links += [wire("gnb1", "gnb2")] * between_stations + [wire("edge1", "edge2")] * between_servers
    links += [{"between": ["ue1", station], **UP_AND_DOWN} for station in ("gnb1", "gnb2")]
    order.shuffle(links)
    scenario = Scenario.model_validate(scenario_of(links, {}, broker=broker))
    network = Network(build(scenario, Path()))
    hosts = ("ue1", "edge1", "edge2")
    crossed = {(each.spec.source, each.spec.target) for a in hosts for b in hosts for each in network.route(a, b)}
    mistakes = list(check_routes_of_sources(RuleInput(scenario, Path())))
    if crossed >= {("ue1", "gnb1"), ("gnb1", "ue1"), ("ue1", "gnb2"), ("gnb2", "ue1")}:
        assert not mistakes
    else:
        assert re.match(r"links\[\d\]\.between=\[ue1, gnb\d\]: must be on the shortest paths of", mistakes[0])


def test_field_cells_of_a_ue_at_one_place_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, scenario_of([radio("gnb1"), radio("gnb2"), *OWN_SERVERS], {"gnb1": {}, "gnb2": {}}))
    message = (
        r"cells\.gnb2\.sites_m=\[\[0\.0, 0\.0\], .*: must be places without a site of cells\.gnb1, since ue1 is linked"
    )
    with pytest.raises(ValueError, match=message):
        load(path)


def test_field_sites_of_a_cell_at_one_place_are_refused(tmp_path: Path) -> None:
    cells = {"gnb1": {"sites_m": [[0, 0], [200, 0], [0, -0.0]]}}
    path = written(tmp_path, scenario_of([radio("gnb1"), wire("gnb1", "gnb2"), *ONE_WAY_OUT], cells))
    with pytest.raises(ValueError, match=r": cells\.gnb1\.sites_m=\[\[0\.0, 0\.0\], .*: must be different places$"):
        build(load(path), tmp_path)


def test_field_links_of_a_ue_agree_on_its_movement(tmp_path: Path) -> None:
    other = radio("gnb2") | {"radio": {"at_m": [30, 0]}}
    path = written(tmp_path, scenario_of([radio("gnb1"), other, *OWN_SERVERS], CELLS))
    message = r"must move ue1 as links\[0\]\.radio does, with the same to_and_fro_m, speed_mps, pause_s$"
    with pytest.raises(ValueError, match=message):
        load(path)


def correlation(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], step: int) -> tuple[float, float]:
    """Return the correlation of every `step`th value, and four standard deviations of that of independent ones."""
    return float(np.corrcoef(a[::step], b[::step])[0, 1]), 4 / np.sqrt(len(a[::step]))


def test_field_two_cells_of_a_ue_fade_independently(tmp_path: Path) -> None:
    """Places are 1.75 wavelengths apart: 30 m/s and 10 slots of 0.5 ms, at 8.6 cm."""
    scenario = scenario_of([radio("gnb1"), radio("gnb2"), *OWN_SERVERS], CELLS)
    up1, down1, up2, down2 = (each.trace for each in build(load(written(tmp_path, scenario)), tmp_path).links[:4])
    found, limit = correlation(up1.columns["fading_db"], up2.columns["fading_db"], step=10)
    assert abs(found) < limit < 0.15
    assert not np.array_equal(up1.columns["shadowing_db"], up2.columns["shadowing_db"])
    for up, down in ((up1, down1), (up2, down2)):  # TDD
        assert np.array_equal(up.columns["fading_db"], down.columns["fading_db"])
    assert up1.lineage != up2.lineage


def test_field_further_cell_leaves_the_channel_of_the_first(tmp_path: Path) -> None:
    one = scenario_of([radio("gnb1"), *OWN_SERVERS], {"gnb1": CELLS["gnb1"]})
    two = scenario_of([radio("gnb1"), radio("gnb2"), *OWN_SERVERS], CELLS)
    alone, beside = (build(load(written(tmp_path, each)), tmp_path).links[0].trace for each in (one, two))
    assert alone.sha256 == beside.sha256


@pytest.mark.parametrize("tdd", ["DDDSU", ""])
def test_field_two_sites_of_a_cell_fade_independently(tdd: str) -> None:
    settings = Radio(Carrier(tdd=tdd), fading=Fading("rayleigh"))
    travelled_m = np.linspace(0, 300, 2_000)  # 1.75 wavelengths apart
    make = partial(SiteFading, settings, np.zeros(1), 1, "ue1", "uplink")
    first, second = (
        make().layer_gains(np.full(2_000, site), np.zeros(2_000, bool), travelled_m)[:, 0, 0] for site in (0, 1)
    )
    found, limit = correlation(first, second, step=1)
    assert abs(found) < limit < 0.1
