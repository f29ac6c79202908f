"""The bound of many UEs: time is linear in them, and its progress is reported."""

import cProfile
import pstats
from dataclasses import replace

from agents.split_inference.alike import AlikePlacements
from agents.split_inference.bound import bounds
from emulator.simulation.network import Network
from emulator.system import System
from tests.agents.systems import small_system


def calls_of_bounds(system: System) -> int:
    """Return the number of function calls that a bound takes."""
    profile = cProfile.Profile()
    profile.runcall(bounds, system)
    return int(vars(pstats.Stats(profile))["total_calls"])


def test_field_bound_of_many_ues_takes_linear_time() -> None:
    """Each task has the same work whatever the number of UEs; it was quadratic in them."""
    bounds(small_system(1, 2))  # binds compiled functions
    few, many = calls_of_bounds(small_system(1, 20)), calls_of_bounds(small_system(1, 80))
    assert many < 4.4 * few


def test_field_progress_of_the_bound_ends_at_all_of_it() -> None:
    seen: list[tuple[int, int]] = []
    bounds(small_system(), lambda done, total: seen.append((done, total)))
    assert [seen[0], seen[-1]] == [(0, 100), (100, 100)]
    assert seen == sorted(seen)


def test_alike_placements_are_those_over_equal_links_and_devices() -> None:
    """Two servers behind equal links are one choice; with another delay to one of them they are two."""
    system = small_system(1, 1, servers=("edge1", "edge2", "cloud"))
    links = {(link.source, link.target): link for link in system.links}
    same = replace(
        system,
        nodes={**system.nodes, "edge2": replace(system.nodes["edge2"], device=system.nodes["edge1"].device)},
        links=tuple(
            replace(
                links[source.replace("edge2", "edge1"), target.replace("edge2", "edge1")], source=source, target=target
            )
            for source, target in links
        ),
    )
    other = tuple(replace(link, delay_ns=link.delay_ns + (link.target == "edge2")) for link in same.links)
    kind = next(iter(system.kinds.values()))
    found = {}
    for name, each in (("same", same), ("other", replace(same, links=other))):
        candidates = each.placements["ue1", kind.name]
        found[name] = AlikePlacements(Network(each)).distinct(kind, "ue1", candidates)
    without = [each for each in same.placements["ue1", kind.name] if all(part.node != "edge2" for part in each)]
    assert set(found["same"]) == set(without)
    assert set(found["other"]) == set(same.placements["ue1", kind.name])
