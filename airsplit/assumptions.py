"""The assumptions of a scenario that `airsplit sensitivity` varies, one at a time: the table ASSUMPTIONS."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from emulator.channel.numerology import frequency_range
from emulator.channel.radio import Direction
from emulator.channel.standard_tables import table
from results.sensitivity import Variant
from topologies.schema.cells import DIRECTIONS
from topologies.schema.messages import Keys, dotted
from topologies.schema.scenario import Scenario

Change = Callable[[Any, Mapping[str, Any]], Any]  # from a value and its section to the other value; equal: no variant
GRANT = {"idle_ms": 20, "period_ms": 5, "delay_ms": 3, "first_bytes": 1000, "report_ms": 3}  # as in the quickstart
COMPUTE, MEMORY, OVERHEAD = (f"devices.*.{key}" for key in ("compute_gflops", "memory_gb_per_s", "layer_overhead_us"))


class Assumption(NamedTuple):
    """What may be otherwise than a scenario says. `low` and `high` change values at paths, in which `*` is any key or
    index. `where` returns the sections that matter; it is empty if the assumption does not apply, which `needs` says.
    Settings are shown with `unit`, or as `labels` of low and high."""

    name: str
    description: str
    needs: str
    where: Callable[[Scenario], set[str]]
    low: Mapping[str, Change]
    high: Mapping[str, Change]
    unit: str = ""
    labels: tuple[str, str] = ("", "")


def generated(*directions: Direction) -> Callable[[Scenario], set[str]]:
    """Return what finds the links, and their cells, whose channel is generated in one of these directions."""

    def sections(scenario: Scenario) -> set[str]:
        found = set()
        for index, *ends, link in scenario.link_entries():
            if link.radio is not None and not all(link.directions[each].has_own_rate for each in directions):
                found.add(f"links[{index}]")
                found |= {scenario.cell_path(end) for end in ends if scenario.cell_at(end) is not None}
        return found

    return sections


def computers(of_ues: bool) -> Callable[[Scenario], set[str]]:
    """Return what finds the devices of UEs, or those of all other nodes."""
    return lambda scenario: {f"devices.{node.device}" for node in scenario.nodes if (node.role == "ue") == of_ues}


def tasks(scenario: Scenario) -> set[str]:
    """Return the sections of all tasks."""
    return {f"tasks[{index}]" for index in range(len(scenario.tasks))}


def quality(scenario: Scenario) -> set[str]:
    """Return the section of what worse answers cost."""
    return {"cost.quality_s"} if scenario.cost.quality_s else set()


def energy(scenario: Scenario) -> set[str]:
    """Return the setting of what energy costs."""
    return {"cost.energy_s_per_j"} if scenario.cost.energy_s_per_j else set()


def times(factor: float, least: float = 0, most: float = 1e9) -> Change:
    """Multiply, within limits; whole numbers stay whole."""
    return lambda value, _: type(value)(min(max(value * factor, least), most))


def plus(change: float, least: float = -300) -> Change:
    """Add, down to a least value."""
    return lambda value, _: max(value + change, least)


def another(place: int, *options: str) -> Change:
    """Take the first (`place` 0) or second of the options that are not the value."""
    return lambda value, _: [option for option in options if option != value][place]


def codecs(place: int) -> Change:
    """Take the first (`place` 0) or second of int8, fp16 and fp32 that is not all that there is."""
    return lambda value, _: [[name] for name in ("int8", "fp16", "fp32") if [name] != value][place]


def bandwidth(factor: float) -> Change:
    """Take the bandwidth of TS 38.101 that is nearest to a multiple of the present one."""

    def change(value: float, cell: Mapping[str, Any]) -> float:
        by_spacing = table("prb")["ranges"][frequency_range(cell["carrier_ghz"] * 1e9)]["resource_blocks"]
        known = map(float, by_spacing[f"{15 * 2 ** cell['mu']}"])
        return min(known, key=lambda each: abs(each - value * factor))

    return change


def duplex(place: int) -> Change:
    """Take another TDD pattern; FDD stays."""
    return lambda value, cell: value and another(place, "DDDDDDDSUU", "DDSUU", "DDDSU")(value, cell)


def neighbours(change: Change) -> Change:
    """Change a value of a cell with several sites."""
    return lambda value, cell: change(value, cell) if len(cell["sites_m"]) > 1 else value


def no_noise_rise(value: float | None, cell: Mapping[str, Any]) -> float | None:
    """Take no noise rise, where there is one: a number, or that of other sites' UEs."""
    return 0.0 if value or (value is None and len(cell["sites_m"]) > 1) else value


def spread(ns: float) -> Change:
    """Take another delay spread, for the profiles that have one."""
    return lambda value, fading: ns if fading["profile"] == "auto" or fading["profile"].startswith("tdl") else value


def slower_grant(value: dict[str, Any] | None, _: Mapping[str, Any]) -> dict[str, Any]:
    """Double the times of a grant; without a grant, take the quickstart's."""
    return GRANT if value is None else value | {key: 2 * value[key] for key in ("period_ms", "delay_ms", "report_ms")}


def same_paths(*paths: str) -> Callable[[Change, Change], tuple[dict[str, Change], dict[str, Change]]]:
    """Return low and high for changes of the values at the same paths."""
    return lambda low, high: (dict.fromkeys(paths, low), dict.fromkeys(paths, high))


UPLINK, DOWNLINK, ANY = generated("uplink"), generated("downlink"), generated(*DIRECTIONS)
ASSUMPTIONS = (
    Assumption(
        "layers", "most spatial layers, of the downlink and of the uplink", "a generated channel", ANY,
        {"cells.*.layers": lambda *_: 1, "links.*.radio.layers": lambda *_: 1},
        {"cells.*.layers": lambda *_: 4, "links.*.radio.layers": lambda *_: 2}, labels=("1, 1", "4, 2"),
    ),
    Assumption(
        "receive antennas", "of sites and UEs", "a generated channel", ANY,
        *same_paths("cells.*.antennas", "links.*.radio.antennas")(times(0.5, least=1), times(2, most=64)),
    ),
    Assumption(
        "correlation", "between the layers of a sender, in and out of sight", "a generated channel", ANY,
        *same_paths("links.*.radio.fading.correlation", "links.*.radio.fading.los_correlation")(
            lambda *_: 0.0, lambda *_: 0.9
        ),
    ),
    Assumption(
        "antenna gain", "of the sites, for sending and receiving", "a generated channel", ANY,
        *same_paths("cells.*.antenna_gain_db")(plus(-6), plus(6)), unit=" dB",
    ),
    Assumption(
        "beams", "columns of the sites' antenna panels", "a generated channel, an antenna array", ANY,
        *same_paths("cells.*.array.columns")(times(0.5, least=1), times(2, most=64)),
    ),
    Assumption(
        "noise rise", "interference of other cells' UEs in the uplink", "a generated uplink", UPLINK,
        *same_paths("cells.*.noise_rise_db")(no_noise_rise, lambda value, _: (value or 0.0) + 6), unit=" dB",
    ),
    Assumption(
        "neighbours' load", "share of time in which other sites and their UEs send",
        "a generated channel, several sites", ANY,
        *same_paths("cells.*.load")(neighbours(times(0.2)), neighbours(lambda *_: 1.0)),
    ),
    Assumption(
        "bandwidth", "of the carrier, nearest to half and double", "a generated channel", ANY,
        *same_paths("cells.*.bandwidth_mhz")(bandwidth(0.5), bandwidth(2)), unit=" MHz",
    ),
    Assumption(
        "TDD pattern", "downlink, special and uplink slots", "a generated channel with TDD", ANY,
        *same_paths("cells.*.tdd")(duplex(0), duplex(1)),
    ),
    Assumption(
        "penetration", "building between site and UE: low-loss, high-loss or none", "a generated channel", ANY,
        *same_paths("links.*.radio.penetration")(another(0, "none", "low", "high"), another(1, "none", "low", "high")),
    ),
    Assumption(
        "noise figure", "of the receivers of sites and UEs", "a generated channel", ANY,
        *same_paths("cells.*.noise_figure_db", "links.*.radio.noise_figure_db")(plus(-2), plus(2)),
        unit=" dB", labels=("-2 dB", "+2 dB"),
    ),
    Assumption(
        "receiver loss", "SNR loss against the block error tables", "a generated channel", ANY,
        *same_paths("cells.*.adaptation.implementation_loss_db")(plus(-2, least=0), plus(2)), unit=" dB",
    ),
    Assumption(
        "UE power", "power classes 5, 3 and 2 are 20, 23 and 26 dBm", "a generated uplink", UPLINK,
        *same_paths("links.*.radio.tx_power_dbm")(plus(-3), plus(3)), unit=" dBm",
    ),
    Assumption(
        "site power", "transmit power of each site", "a generated downlink", DOWNLINK,
        *same_paths("cells.*.tx_power_dbm")(plus(-6), plus(6)), unit=" dBm",
    ),
    Assumption(
        "fading", "law of the small-scale fading", "a generated channel", ANY,
        *same_paths("links.*.radio.fading.profile")(
            another(0, "rayleigh", "tdl-d", "auto"), another(1, "rayleigh", "tdl-d", "auto")
        ),
    ),
    Assumption(
        "delay spread", "short and long of TR 38.901 Table 7.7.3-1", "a generated channel with paths", ANY,
        *same_paths("links.*.radio.fading.delay_spread_ns")(spread(30.0), spread(300.0)), unit=" ns",
    ),
    Assumption(
        "grants", "wait for the first grant after an idle time", "a generated uplink", UPLINK,
        *same_paths("cells.*.uplink_grant")(lambda *_: None, slower_grant), labels=("none", "slower"),
    ),
    Assumption(
        "scheduler", "of the cell's resource blocks", "a generated channel", ANY,
        *same_paths("cells.*.scheduler")(another(0, "pf", "rr", "max-rate"), another(1, "pf", "rr", "max-rate")),
    ),
    Assumption(
        "UE's computer", "speed of the UEs' devices", "UEs that compute", computers(of_ues=True),
        {COMPUTE: times(0.5), MEMORY: times(0.5), OVERHEAD: times(2)},
        {COMPUTE: times(2), MEMORY: times(2), OVERHEAD: times(0.5)}, unit=" GFLOP/s",
        labels=("half", "double"),
    ),
    Assumption(
        "servers", "speed of all other devices", "servers", computers(of_ues=False),
        {COMPUTE: times(0.5), MEMORY: times(0.5), OVERHEAD: times(2)},
        {COMPUTE: times(2), MEMORY: times(2), OVERHEAD: times(0.5)}, unit=" GFLOP/s",
        labels=("half", "double"),
    ),
    Assumption(
        "activations", "codec in which activations are sent", "tasks", tasks,
        *same_paths("tasks.*.activation")(codecs(0), codecs(1)),
    ),
    Assumption(
        "weight of quality", "seconds that a worse answer costs", "a cost of quality", quality,
        *same_paths("cost.quality_s.*")(times(0.5), times(2)), unit=" s", labels=("half", "double"),
    ),
    Assumption(
        "weight of energy", "seconds that a joule costs", "a cost of energy", energy,
        *same_paths("cost.energy_s_per_j")(times(0.5), times(2)), unit=" s/J", labels=("half", "double"),
    ),
)  # fmt: skip


def variants_of(scenario: Scenario) -> tuple[list[Variant], dict[str, str]]:
    """Return the variants of a scenario, and what each assumption that does not apply needs, by its name."""
    data = scenario.model_dump(mode="json")
    variants, left_out = [], {}
    for each in ASSUMPTIONS:
        sections = each.where(scenario)
        found = [
            variant
            for changes, label in zip((each.low, each.high), each.labels, strict=True)
            if (variant := _variant(each, changes, label, data, sections)).overrides
        ]
        variants += found
        if not found:
            left_out[each.name] = f"needs {each.needs}"
    return variants, left_out


def _variant(
    assumption: Assumption, changes: Mapping[str, Change], label: str, data: dict[str, Any], sections: set[str]
) -> Variant:
    overrides, before, after = [], [], []
    (main, *_) = (path.rpartition(".")[2] for path in changes)  # its values are shown
    for path, change in changes.items():
        for keys, value, section in _values(data, tuple(path.split("."))):
            if {dotted(keys[:2])} & sections and (new := change(value, section)) != value:
                overrides.append(f"{dotted(keys)}={json.dumps(new)}")
                before += [value] * (keys[-1] == main)
                after += [new] * (keys[-1] == main)
    setting = label or _in_words(after, assumption.unit)
    return Variant(
        assumption.name, assumption.description, _in_words(before, assumption.unit), setting, tuple(overrides)
    )


def _values(place: Any, pattern: tuple[str, ...], keys: Keys = ()) -> Iterator[tuple[Keys, Any, Mapping[str, Any]]]:
    """Yield keys, value and section of all values at a path with `*`."""
    inner: Mapping[str | int, Any] = place if isinstance(place, dict) else dict(enumerate(place or ()))
    for key in inner if pattern[0] == "*" else inner.keys() & {pattern[0]}:
        if len(pattern) == 1:
            yield (*keys, key), inner[key], place
        else:
            yield from _values(inner[key], pattern[1:], (*keys, key))


def _in_words(values: list[Any], unit: str) -> str:
    numbers = [f"{value:g}" for value in values if isinstance(value, int | float)]
    others = [_word(value) for value in values]
    return "/".join(dict.fromkeys(numbers)) + unit if numbers else "/".join(dict.fromkeys(others))


def _word(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return "default" if value is None else value if isinstance(value, str) else "given"
