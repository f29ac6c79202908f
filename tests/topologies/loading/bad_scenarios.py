"""Invalid scenarios and their expected error messages."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

GOOD = """
name: good
seed: 1
duration_s: 2
nodes:
  - {name: "ue{i}", role: ue, device: phone, count: 2}
  - {name: gnb, role: gnb}
  - {name: edge1, role: edge, device: server}
devices:
  phone: {compute_gflops: 20, memory_mb: 120, memory_gb_per_s: 4}
  server: {compute_gflops: 200, memory_mb: 8e3, memory_gb_per_s: 30}
cells:
  gnb: {bandwidth_mhz: 20}
links:
  - between: ["ue{i}", gnb]
    radio: {at_m: [40, 0]}
    uplink: {}
    downlink: {rate_mbps: 50}
  - {between: [gnb, edge1], rate_mbps: 1000, delay_ms: 1}
tasks:
  - name: image
    model: alexnet
    sources: all
    arrivals: {poisson: {rate_per_s: 2}}
    deadline_ms: 300
    input_kb: 100
  - name: text
    model: llama-15m
    sources: [ue1]
    arrivals: {periodic: {interval_ms: 500}}
    deadline_ms: 1000
    tokens: {prompt_mean: 10, prompt_max: 40, output_mean: 10, output_max: 40}
control: {node: gnb, observation_age_ms: 5}
cost: {failure_s: 1}
policies:
  - {type: random}
  - {type: fixed, label: pool1, splits: {image: {cut: 2, node: edge1}, text: {cut: 0, node: edge1}}}
hil:
  workers:
    phones: {nodes: "ue{i}", time_scale: 8}
    edge1: {nodes: edge1}
  policies: [pool1]
  duration_s: 1
realtime:
  hosts: [{nodes: edge1, cpu: 0.5}]
  commands: [{node: ue1, run: "true"}]
"""

Edit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Case:
    """A scenario file (GOOD after `edit`, or `text`), files `beside` it, and overrides. A line of the message must
    contain `expected` and `file`; the edit makes mistakes of this number of `lines`."""

    id: str
    expected: str
    edit: Edit | None = None
    text: str | bytes | None = None
    overrides: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    file: str = "bad.yaml"
    lines: int = 1

    def write(self, folder: Path) -> Path:
        """Write the case's files; return the path of the scenario, which in one case does not exist."""
        path = folder / "bad.yaml"
        for name, content in self.beside.items():
            (folder / name).write_text(content, encoding="utf-8")
        if isinstance(self.text, bytes):
            path.write_bytes(self.text)
        elif self.id != "missing-file":
            path.write_text(self.text if self.text is not None else self._edited(), encoding="utf-8")
        return path

    def _edited(self) -> str:
        data = copy.deepcopy(yaml.safe_load(GOOD))
        if self.edit is not None:
            self.edit(data)
        return yaml.safe_dump(data, sort_keys=False)


def put(path: str, value: object) -> Edit:
    """Set the value at a path such as `links.0.loss`."""

    def edit(data: dict[str, Any]) -> None:
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place: Any = data
        for key in way:
            place = place[key]
        place[last] = value

    return edit


def drop(path: str) -> Edit:
    """Delete the value at a path."""

    def edit(data: dict[str, Any]) -> None:
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place: Any = data
        for key in way:
            place = place[key]
        del place[last]

    return edit


def add(path: str, value: object) -> Edit:
    """Append to the list at a path."""

    def edit(data: dict[str, Any]) -> None:
        data[path].append(value)

    return edit


def trace(**keys: object) -> Edit:
    """Replace the uplink's generated channel by a recording."""
    return put("links.0.uplink", {"trace": keys})


def recorded(**keys: object) -> Edit:
    """Replace the images' arrivals by recorded ones."""
    return put("tasks.0.arrivals", {"recorded": keys})


def learned_on(**keys: object) -> Edit:
    """Add a recording, and an agent without a checkpoint."""

    def edit(data: dict[str, Any]) -> None:
        trace(**keys)(data)
        data["policies"].append({"type": "ppo"})

    return edit


def trace_and_rate(data: dict[str, Any]) -> None:
    """Add a recording to the downlink, which has a constant rate."""
    data["links"][0]["downlink"]["trace"] = {"file": "x.log"}


def two_links_of_one_recording(data: dict[str, Any]) -> None:
    """Replay in the downlink the uplink's training interval."""
    trace(file="x.log", format="rate", interval_s=[0, 10], training_interval_s=[10, 20])(data)
    data["links"][0]["downlink"] = {"trace": {"file": "x.log", "format": "rate"}}


def unacknowledged(data: dict[str, Any]) -> None:
    """Use an unacknowledged bearer, with tasks that allow it."""
    data["links"][0]["bearer"] = "um"
    for task in data["tasks"]:
        task["transport"] = "udp"


def no_ue(data: dict[str, Any]) -> None:
    """Turn the UEs into edge servers with wired links."""
    data["nodes"][0]["role"] = "edge"
    data["links"][0] = {"between": ["ue{i}", "gnb"], "rate_mbps": 10}
    del data["cells"]


def switched(name: str = "s1", **keys: object) -> Edit:
    """Add a switch between the gNB and the edge server."""

    def edit(data: dict[str, Any]) -> None:
        data["nodes"].append({"name": name, "role": "switch", **keys})
        data["links"][1]["between"] = ["gnb", name]
        data["links"].append({"between": [name, "edge1"], "rate_mbps": 1000})

    return edit


def looped(data: dict[str, Any]) -> None:
    """Add three switches in a loop."""
    switched()(data)
    data["nodes"] += [{"name": name, "role": "switch"} for name in ("s2", "s3")]
    for a, b in (("s1", "s2"), ("s2", "s3"), ("s3", "s1")):
        data["links"].append({"between": [a, b], "rate_mbps": 1000})


def switched_with(path: str, value: object) -> Edit:
    """Add a switch, and set a value at a path."""

    def edit(data: dict[str, Any]) -> None:
        switched()(data)
        put(path, value)(data)

    return edit


def radio_to_a_switch(data: dict[str, Any]) -> None:
    """Move the cell and its links to a switch."""
    switched()(data)
    data["links"][0]["between"] = ["ue{i}", "s1"]
    data["cells"]["s1"] = data["cells"].pop("gnb")


def realtime(**keys: object) -> Edit:
    """Set the section `realtime`."""
    return put("realtime", keys)


def outage(**keys: object) -> Edit:
    """Give the scenario one outage, of these keys."""
    return failures({"outages": [keys]})


def failures(section: object) -> Edit:
    """Give the scenario this section `failures`."""

    def edit(data: dict[str, Any]) -> None:
        data["failures"] = section

    return edit


def groups(**keys: object) -> Edit:
    """Give the scenario a section `groups`, valid but for these keys."""

    def edit(data: dict[str, Any]) -> None:
        data["groups"] = {"task": "text", "source": "ue1", **keys}

    return edit


def commanded(**keys: object) -> Edit:
    """Add a command, and a real device that replaces edge1."""
    return realtime(hosts=[{"nodes": "edge1", "interface": "eth7"}], commands=[{"run": "true", **keys}])


RATES = "".join(f"{second} {second % 7}\n" for second in range(30))
MS = "must be given, in the file or by --set"

CASES = [
    # YAML
    Case("missing-file", "must be a readable file"),
    Case("empty", "must be a mapping", text=""),
    Case("list", "must be a mapping", text="- a\n- b\n"),
    Case("unclosed", "line 3: must be YAML: expected ',' or ']'", text="name: x\nnodes: [a, b\n"),
    Case("tab", "line 2: must be YAML", text="name: x\n\tseed: 1\n"),
    Case("duplicate-key", "line 3: must be YAML: 'name' is given twice", text="name: x\nseed: 1\nname: y\n", lines=8),
    Case("not-utf8", "must be UTF-8 text (byte 6 is not)", text=b"name: \xff\xfe\n"),
    Case("control-character", "must be YAML", text="name: \x07\n"),
    Case("python-object", "line 1: must be YAML", text="name: !!python/object/apply:os.getcwd []\n"),
    Case("bad-date", "must be YAML", text="name: 2024-13-45\n"),
    Case("too-deep", "nested less deeply", text="[" * 5_000),
    Case("undefined-alias", "line 1: must be YAML", text="name: *nowhere\n"),
    Case("alias-of-itself", "line 1: must be YAML: found unconstructable recursive node", text="x: &a [*a]\n"),
    Case("mapping-of-itself", "line 1: must be YAML: found unconstructable recursive node", text="x: &a {b: *a}\n"),
    # keys and values
    Case("no-name", f"name: {MS}", drop("name")),
    Case("no-seed", f"seed: {MS}", drop("seed")),
    Case("negative-seed", "seed=-1: must be at least 0", put("seed", -1)),
    Case("fractional-seed", "seed=1.5: must be a whole number", put("seed", 1.5)),
    Case("seed-true", "seed=true: must be a whole number", put("seed", True)),
    Case("unknown-key", "colour=red: is not a known key", put("colour", "red")),
    Case("unknown-link-key", "links[1].delay_s=1: is not a known key", put("links.1.delay_s", 1)),
    Case("loss", "links[1].loss=1.4: must be between 0 and 1", put("links.1.loss", 1.4)),
    Case("loss-negative", "links[1].loss=-0.1: must be between 0 and 1", put("links.1.loss", -0.1)),
    Case("loss-text", "links[1].loss=low: must be a number", put("links.1.loss", "low")),
    Case("loss-for-ever", "links[1]: loss must be at most 0.9", put("links.1.loss", 0.95)),
    Case("rate-zero", "links[1].rate_mbps=0: must be at least 0.001", put("links.1.rate_mbps", 0)),
    Case(
        "rate-infinite", "links[1].rate_mbps=Infinity: must be a finite number", put("links.1.rate_mbps", float("inf"))
    ),
    Case("delay-nan", "links[1].delay_ms=NaN: must be a finite number", put("links.1.delay_ms", float("nan"))),
    Case("delay-negative", "links[1].delay_ms=-1: must be at least 0", put("links.1.delay_ms", -1)),
    Case("bearer", "links[1].bearer=tm: must be 'am' or 'um'", put("links.1.bearer", "tm")),
    Case("role", "nodes[1].role=car: must be 'ue'", put("nodes.1.role", "car")),
    Case("node-name", "nodes[1].name=g-nb: must be a name of letters, digits and _", put("nodes.1.name", "g-nb")),
    Case("count-without-template", "nodes[1]: must give count with a name that holds {i}", put("nodes.1.count", 3)),
    Case("count-zero", "nodes[0].count=0: must be at least 1", put("nodes.0.count", 0)),
    Case("nodes-mapping", 'nodes={"a": 1}: must be a list', put("nodes", {"a": 1})),
    Case("no-nodes", "nodes=[]: must have 1 or more entries", put("nodes", [])),
    Case("between-one", "links[1].between[1]: must be given", put("links.1.between", ["gnb"])),
    Case("wired-and-radio", "links[0]: must give either rate_mbps, or radio, or uplink", put("links.0.rate_mbps", 5)),
    Case("nothing-to-carry", "links[0]: must give radio, or a trace or a rate_mbps in both", drop("links.0.radio")),
    Case("two-origins", "links[0].downlink: must give only one of trace, rate_mbps", trace_and_rate),
    Case("no-movement", "links[0].radio: must give exactly one of at_m, waypoints_m", put("links.0.radio", {})),
    Case("two-movements", "links[0].radio: must give exactly one of at_m", put("links.0.radio.track", "track.csv")),
    Case(
        "no-track",
        "links[0].radio.track=track.csv: must be an existing file",
        put("links.0.radio", {"track": "track.csv"}),
    ),
    Case(
        "malformed-track",
        "bad.yaml: links[0].radio: ",
        put("links.0.radio", {"track": "track.csv"}),
        beside={"track.csv": "time_s,x_m,y_m\n0,1,2\n1,here,2\n"},
        file="track.csv",
    ),
    Case(
        "ring",
        "links[0].radio.ring: farthest_m=5: must be 1 m or more above nearest_m, 10",
        put("links.0.radio", {"ring": {"farthest_m": 5}}),
    ),
    Case(
        "one-waypoint",
        "links[0].radio.waypoints_m=[[1, 2]]: must have 2 or more entries",
        put("links.0.radio", {"waypoints_m": [[1, 2]]}),
    ),
    Case("speed", "links[0].radio.speed_mps=0: must be at least 0.001", put("links.0.radio.speed_mps", 0)),
    Case("profile", "links[0].radio.fading.profile=tdl-f: must be", put("links.0.radio.fading", {"profile": "tdl-f"})),
    Case("environment", "cells.gnb.environment=space: must be", put("cells.gnb.environment", "space")),
    Case("bandwidth", "cells.gnb.bandwidth_mhz=17: must be 5, 10,", put("cells.gnb.bandwidth_mhz", 17)),
    Case("spacing", "cells.gnb.mu=3: must be a spacing of FR1", put("cells.gnb.mu", 3)),
    Case("no-uplink-slots", "cells.gnb.tdd=DDDD: must leave the uplink", put("cells.gnb.tdd", "DDDD")),
    Case("height", "cells.gnb.height_m=1: must be at least 2 and at most", put("cells.gnb.height_m", 1)),
    Case("ue-height", "links[0].radio.height_m=1: must be at least 1.5", put("links.0.radio.height_m", 1)),
    Case("carrier", "cells.gnb.carrier_ghz=8: must be 0.41 to 7.125 GHz (FR1) or", put("cells.gnb.carrier_ghz", 8)),
    Case("layers", "cells.gnb.layers=5: must be at most 4", put("cells.gnb.layers", 5)),
    Case("cell-unused", "cells.edge1: must be at an end of a link with radio", put("cells.edge1", {})),
    Case(
        "short-leg",
        "links[0].radio.to_and_fro_m=[[0.0, 0.0], [1e-06, 0.0]]: one way must last",
        put("links.0.radio", {"to_and_fro_m": [[0, 0], [1e-6, 0]]}),
    ),
    Case("tdd-letters", "cells.gnb.tdd=DDX: must hold D, S and U alone", put("cells.gnb.tdd", "DDX")),
    Case("scheduler", "cells.gnb.scheduler=fair: must be", put("cells.gnb.scheduler", "fair")),
    Case("cell-nowhere", "cells.tower: must be the name of a node", put("cells.tower", {})),
    Case(
        "cell-at-a-ue",
        "cells.ue{i}: must be the name of a node, as under nodes, that is no UE",
        put("cells", {"ue{i}": {}}),
    ),
    Case("radio-without-cell", "links[0].radio: there must be a section of cells", put("cells", {})),
    Case(
        "background-alone",
        "links[0].uplink.background: the cell must have a scheduler",
        put("links.0.uplink.background", {"rate_per_s": 1, "size_kb": 1}),
    ),
    Case(
        "background-on-a-rate",
        "links[0].downlink: background must be given only where",
        put("links.0.downlink.background", {"rate_per_s": 1, "size_kb": 1}),
    ),
    Case(
        "two-arrivals", "tasks[0].arrivals: must give exactly one", put("tasks.0.arrivals.periodic", {"interval_ms": 5})
    ),
    Case("arrival-rate", "rate_per_s=-2: must be above 0", put("tasks.0.arrivals.poisson.rate_per_s", -2)),
    Case(
        "activation",
        "tasks[0].activation=int3: must be 'fp32', 'fp16', 'bf16', 'int8', 'int4', 'topk10', 'int8+outliers' or",
        put("tasks.0.activation", "int3"),
    ),
    Case(
        "activation-entry", "tasks[0].activation[1]=int3: must be 'fp32', ", put("tasks.0.activation", ["int8", "int3"])
    ),
    Case("activation-none", "tasks[0].activation=[]: must have 1 or more entries", put("tasks.0.activation", [])),
    Case("activation-number", "tasks[0].activation=8: must be a list", put("tasks.0.activation", 8)),
    Case(
        "activation-twice",
        "tasks[0].activation[2]=int8: must be named once",
        put("tasks.0.activation", ["int8", "int4", "int8"]),
    ),
    Case(
        "fixed-codec-unknown",
        "policies[1].splits.image.codec=int3: must be 'fp32', ",
        put("policies.1.splits.image.codec", "int3"),
    ),
    Case(
        "fixed-codec",
        "policies[1].splits.image.codec=int4: must be one of the task's activation: int8",
        put("policies.1.splits.image.codec", "int4"),
    ),
    Case(
        "fixed-codec-uncut",
        "policies[1].splits.image.codec=int8: must not be given, since no activation is sent",
        put("policies.1.splits.image", {"cut": 0, "node": "edge1", "codec": "int8"}),
    ),
    Case("policy-type", "policies[0].type=best: must be random, all-device", put("policies.0.type", "best")),
    Case("policy-untyped", "policies[0].type: must be random, all-device", put("policies.0", {"label": "x"})),
    Case("policy-text", "policies[0]=random: must be a section with keys", put("policies.0", "random")),
    Case("policy-key", "policies[0].cut=3: is not a known key", put("policies.0.cut", 3)),
    Case("fixed-key", "policies[1].splits.image.cut=-1: must be at least 0", put("policies.1.splits.image.cut", -1)),
    # names that must exist or differ
    Case("duplicate-node", "nodes[1].name=ue1: must be given once", put("nodes.1.name", "ue1"), lines=5),
    Case("unknown-device", "nodes[0].device=tablet: must be one of phone, server", put("nodes.0.device", "tablet")),
    Case("unknown-end", "links[1].between[1]=edge9: must be the name of a node", put("links.1.between.1", "edge9")),
    Case("self-loop", "links[1].between=[gnb, gnb]: must join two different nodes", put("links.1.between.1", "gnb")),
    Case(
        "double-link",
        "links[2].between=[edge1, gnb]: must be the only link",
        add("links", {"between": ["edge1", "gnb"], "rate_mbps": 1}),
    ),
    Case(
        "radio-between-servers",
        "links[0].between=[gnb, edge1]: a link over the air must have one UE",
        put("links.0.between", ["gnb", "edge1"]),
    ),
    Case("unreachable", "nodes[2].name=edge1: must be reachable from ue1", drop("links.1")),
    Case("control-node", "control.node=tower: must be the name of a node", put("control.node", "tower")),
    Case("broker-node", "broker=tower: must be the name of a node", put("broker", "tower")),
    Case("duplicate-task", "tasks[1].name=image: must be given once", put("tasks.1.name", "image"), lines=2),
    Case("unknown-source", "tasks[0].sources=ue9: must be the name of a UE", put("tasks.0.sources", ["ue1", "ue9"])),
    Case("source-no-ue", "tasks[0].sources=gnb: must be the name of a UE", put("tasks.0.sources", "gnb")),
    Case("no-ue", "tasks[0].sources=all: there must be a UE", no_ue, lines=2),
    Case(
        "renamed-setting",
        "policies[2].settings.clip=0.2: was renamed to clip_coef",
        add("policies", {"type": "ppo", "settings": {"num_envs": 8, "clip": 0.2}}),
    ),
    Case(
        "renamed-setting-by-override",
        "policies[0].settings.environments=8: was renamed to num_envs",
        overrides=("policies[0].type=a3c", "policies[0].settings.environments=8"),
    ),
    Case("duplicate-label", "policies[2].label=random: must be given once", add("policies", {"type": "random"})),
    # models, memory, cuts
    Case("unknown-model", "tasks[0].model=lenet: must be one of alexnet", put("tasks.0.model", "lenet")),
    Case("unknown-profile", "models.alexnet=lenet: must be one of alexnet", put("models", {"alexnet": "lenet"})),
    Case("missing-profile", "models.alexnet=", put("models", {"alexnet": "mine.json"})),
    Case(
        "malformed-profile",
        "mine.json: layers",
        put("models", {"alexnet": "mine.json"}),
        beside={"mine.json": '{"name": "alexnet", "family": "vision", "weight_dtype": "fp32", "input_shape": [3]}'},
        file="mine.json",
    ),
    Case(
        "first-token-of-an-image",
        "tasks[0].deadline_ttft_ms: must not be given, since alexnet is no language model",
        put("tasks.0.deadline_ttft_ms", 50),
    ),
    Case("no-time-per-token", "tasks[1].deadline_token_ms=0: must be above 0", put("tasks.1.deadline_token_ms", 0)),
    Case("no-tokens", "tasks[1].tokens: must be given, since llama-15m is a language model", drop("tasks.1.tokens")),
    Case(
        "tokens-of-images",
        "tasks[0].tokens: must not be given",
        put("tasks.0.tokens", {"prompt_mean": 1, "prompt_max": 1, "output_mean": 1, "output_max": 1}),
    ),
    Case(
        "prompt-mean",
        "tasks[1].tokens: prompt_mean=41: must be at most prompt_max, 40",
        put("tasks.1.tokens.prompt_mean", 41),
    ),
    Case(
        "output-mean",
        "tasks[1].tokens: output_mean=41: must be at most output_max, 40",
        put("tasks.1.tokens.output_mean", 41),
    ),
    Case("no-input", "tasks[0].input_kb=0: must be above 0", drop("tasks.0.input_kb")),
    Case("cut-beyond", "tasks[0].cuts[1]=11: must lie before the last of 11 layers", put("tasks.0.cuts", [2, 11])),
    Case(
        "no-candidate",
        "tasks[0].model=alexnet: its weights must fit the memory",
        put("devices.server.memory_mb", 1),
        lines=3,
    ),
    Case(
        "fixed-memory",
        "policies[1].splits.image.cut=9: 161 MB of weights must fit the 120 MB of ue1",
        put("policies.1.splits.image.cut", 9),
    ),
    Case(
        "fixed-beyond",
        "policies[1].splits.image.cut=12: must be at most the 11 layers",
        put("policies.1.splits.image.cut", 12),
    ),
    Case(
        "fixed-node",
        "policies[1].splits.image.node=gnb: must be a node with a device",
        put("policies.1.splits.image.node", "gnb"),
    ),
    Case(
        "fixed-task",
        "policies[1].splits.video: must be the name of a task",
        put("policies.1.splits.video", {"cut": 1, "node": "edge1"}),
    ),
    Case("fixed-incomplete", "policies[1].splits: must say where text is split", drop("policies.1.splits.text")),
    # costs and bearers
    Case("cheap-failure", "cost.failure_s=0.5: must be at least the longest deadline, 1 s", put("cost.failure_s", 0.5)),
    Case(
        "mqtt-unacknowledged",
        "links[0].bearer=um: must be am, since mqtt of tasks[0]",
        put("links.0.bearer", "um"),
        lines=2,
    ),
    Case(
        "erasures-for-nothing",
        "cost.erasure_s=0: must be above 0, since links[0].bearer=um",
        unacknowledged,
    ),
    # rates and times beyond the range of int64 nanoseconds
    Case("slow-compute", "compute_gflops=1e-300: must be at least 0.001", put("devices.phone.compute_gflops", 1e-300)),
    Case("slow-memory", "memory_gb_per_s=1e-300: must be at least", put("devices.phone.memory_gb_per_s", 1e-300)),
    Case("slow-load", "devices.phone.load_mb_per_s=1e-300: must be", put("devices.phone.load_mb_per_s", 1e-300)),
    Case("slow-wire", "links[1].rate_mbps=1e-06: must be at least 0.001", put("links.1.rate_mbps", 1e-6)),
    Case(
        "no-window",
        "control.measurement_window_ms=1e-07: must be at least 0.001",
        put("control.measurement_window_ms", 1e-7),
    ),
    # recordings
    Case(
        "missing-trace",
        "links[0].uplink.trace.file=none.log: must be an existing file",
        trace(file="none.log", format="rate"),
    ),
    Case("no-trace-file", f"links[0].uplink.trace.file: {MS}", trace(format="rate")),
    Case(
        "trace-format",
        "links[0].uplink.trace.format=pcap: must be",
        trace(file="x.log", format="pcap"),
        beside={"x.log": RATES},
    ),
    Case(
        "malformed-trace",
        "x.log: row 2: time='a'",
        trace(file="x.log", format="rate"),
        beside={"x.log": "0 1\na 2\n"},
        file="x.log",
    ),
    Case(
        "no-parquet",
        "x.log: must be a trace that airsplit wrote",
        trace(file="x.log"),
        beside={"x.log": RATES},
        file="x.log",
    ),
    Case(
        "csv-columns",
        "bad.yaml: links[0].uplink: columns='speed': must be name=column",
        trace(file="x.log", format="csv", columns="speed"),
        beside={"x.log": "t,r\n0,1\n"},
    ),
    Case(
        "columns-of-no-csv",
        "x.log: columns: must be given for csv, list, iperf3, oai alone",
        trace(file="x.log", format="rate", columns="uccmisl"),
        beside={"x.log": RATES},
        file="x.log",
    ),
    Case(
        "scaled-to-nothing",
        "bad.yaml: links[0].uplink: factor=1e-09: must leave a bit of",
        trace(file="x.log", format="rate", scale=1e-9),
        beside={"x.log": RATES},
    ),
    Case(
        "interval-beyond",
        "x.log: interval_s=[0, 90]: must lie within its 30 s",
        trace(file="x.log", format="rate", interval_s=[0, 90]),
        beside={"x.log": RATES},
        file="x.log",
    ),
    Case(
        "interval-backwards",
        "must start before it ends",
        trace(file="x.log", format="rate", interval_s=[9, 3]),
        beside={"x.log": RATES},
    ),
    Case(
        "untold-training",
        "links[0].uplink.trace.training_interval_s: must be given, since policies[2] is trained",
        learned_on(file="x.log", format="rate", interval_s=[0, 10]),
        beside={"x.log": RATES},
    ),
    Case(
        "training-on-the-test",
        "links[0].uplink.trace: interval_s and training_interval_s must not overlap",
        learned_on(file="x.log", format="rate", interval_s=[0, 10], training_interval_s=[5, 20]),
        beside={"x.log": RATES},
    ),
    Case(
        "training-on-another-links-test",
        "links[0].uplink.trace.training_interval_s=[10, 20]: must not overlap",
        two_links_of_one_recording,
        beside={"x.log": RATES},
    ),
    Case(
        "missing-arrivals", "tasks[0].arrivals.recorded.file=a.json: must be an existing file", recorded(file="a.json")
    ),
    Case(
        "malformed-arrivals",
        "a.json: arrival_ns[1]=soon: must be a whole number",
        recorded(file="a.json"),
        beside={"a.json": '{"arrival_ns": [1, "soon"]}'},
        file="a.json",
    ),
    Case(
        "arrivals-elsewhere",
        "a.json: file=b.json: must not be given",
        recorded(file="a.json"),
        beside={"a.json": '{"file": "b.json"}'},
        file="a.json",
    ),
    Case(
        "arrivals-without-times",
        "a.json: arrival_ns: must be given",
        recorded(file="a.json"),
        beside={"a.json": "{}"},
        file="a.json",
    ),
    Case("arrivals-no-json", "a.json: must be JSON", recorded(file="a.json"), beside={"a.json": "{"}, file="a.json"),
    Case("arrivals-backwards", "tasks[0].arrivals.recorded: arrival_ns must not decrease", recorded(arrival_ns=[5, 3])),
    Case(
        "missing-checkpoint",
        "policies[2].checkpoint=c.safetensors: must be an existing file",
        add("policies", {"type": "a3c", "checkpoint": "c.safetensors"}),
    ),
    Case(
        "missing-replay",
        "policies[2].file=tasks.parquet: must be an existing file",
        add("policies", {"type": "replay", "file": "tasks.parquet"}),
    ),
    # workers
    Case(
        "worker-node",
        "hil.workers.edge1.nodes=edge7: must be a node with a device",
        put("hil.workers.edge1.nodes", ["edge7"]),
    ),
    Case(
        "worker-twice",
        "hil.workers.edge1.nodes=ue1: must not be of phones as well",
        put("hil.workers.edge1.nodes", ["edge1", "ue1"]),
    ),
    Case("worker-missing", "hil.workers: must have one for edge1", drop("hil.workers.edge1")),
    Case(
        "hil-policy",
        "hil.policies[0]=greedy: must be the label of a policy: random, pool1",
        put("hil.policies.0", "greedy"),
    ),
    # switches
    Case("switch-computes", "nodes[3].device=server: must not be given", switched(device="server")),
    Case("switch-controls", "control.node=s1: must not be a switch", switched_with("control.node", "s1")),
    Case("switch-as-broker", "broker=s1: must not be a switch", switched_with("broker", "s1")),
    Case("switch-as-source", "tasks[0].sources=s1: must be the name of a UE", switched_with("tasks.0.sources", "s1")),
    Case(
        "switch-of-air", "links[0].between=[ue1, s1]: a link over the air must not end at a switch", radio_to_a_switch
    ),
    Case("switch-name", "nodes[3].name=switchboard: must have at most 10 characters", switched("switchboard")),
    Case("switch-loop", "links[5].between=[s3, s1]: must not close a loop of switches", looped),
    # real time
    Case("realtime-key", "realtime.speed=2: is not a known key", realtime(speed=2)),
    Case(
        "realtime-policy", "realtime.policy=best: must be the label of a policy: random, pool1", realtime(policy="best")
    ),
    Case("realtime-too-long", "realtime.duration_s=3: must be at most duration_s, 2", realtime(duration_s=3)),
    Case("realtime-lateness", "realtime.lateness_ms=0: must be above 0", realtime(lateness_ms=0)),
    Case("realtime-switch", "realtime.switch=my:sw:itch: must be", realtime(switch="my:sw:itch")),
    Case(
        "realtime-host",
        "realtime.hosts[0].nodes=edge7: must be the name of a node, and no switch",
        realtime(hosts=[{"nodes": "edge7", "cpu": 0.5}]),
    ),
    Case(
        "realtime-host-twice",
        "realtime.hosts[1].nodes=ue2: must be in one entry of hosts only",
        realtime(hosts=[{"nodes": "ue{i}", "cpu": 0.5}, {"nodes": "ue2", "cpu": 0.5}]),
    ),
    Case(
        "realtime-host-alike",
        "realtime.hosts[0]: must give exactly one of cpu, interface",
        realtime(hosts=[{"nodes": "ue1"}]),
    ),
    Case(
        "realtime-host-cpu",
        "realtime.hosts[0].cpu=1.5: must be at most 1",
        realtime(hosts=[{"nodes": "ue1", "cpu": 1.5}]),
    ),
    Case(
        "realtime-one-cable",
        "realtime.hosts[0].interface=eth7: must be given for one node only",
        realtime(hosts=[{"nodes": "ue{i}", "interface": "eth7"}]),
    ),
    Case(
        "realtime-cable-twice",
        "realtime.hosts[1].interface=eth7: must be given for one node only",
        realtime(hosts=[{"nodes": "ue1", "interface": "eth7"}, {"nodes": "edge1", "interface": "eth7"}]),
        lines=2,
    ),
    Case(
        "realtime-cable-name",
        "realtime.hosts[0].interface=enp0s31f6u1u2u3v4: must be",
        realtime(hosts=[{"nodes": "ue1", "interface": "enp0s31f6u1u2u3v4"}]),
    ),
    Case(
        "command-nowhere",
        "realtime.commands[0].node=edge7: must be the name of a node",
        commanded(node="edge7"),
        lines=2,
    ),
    Case("command-empty", "realtime.commands[0].run='': must", realtime(commands=[{"node": "ue1", "run": ""}])),
    Case(
        "command-late", "realtime.commands[0].at_s=2: must be before the end, 2", commanded(node="ue1", at_s=2), lines=2
    ),
    Case(
        "realtime-cable-and-tasks",
        "realtime.hosts[0].interface=eth7: must not stand for ue1, a source of tasks; or realtime.tasks must be false",
        realtime(hosts=[{"nodes": "ue1", "interface": "eth7"}]),
    ),
    Case(
        "realtime-cable-and-computer",
        "realtime.hosts[0].interface=eth7: must not stand for edge1, a computer of tasks; or",
        realtime(hosts=[{"nodes": "edge1", "interface": "eth7"}]),
    ),
    Case(
        "realtime-cable-and-broker",
        "realtime.hosts[0].interface=eth7: must not stand for edge1, the broker of tasks",
        realtime(hosts=[{"nodes": "edge1", "interface": "eth7"}], tasks=False),
        overrides=("broker=edge1",),
    ),
    Case(
        "command-behind-a-cable",
        "realtime.commands[0].node=edge1: must not be a node that an interface stands for",
        commanded(node="edge1"),
        lines=2,
    ),
    # failures
    Case("failures-empty", "failures.outages: must be given", failures({"on_failure": "wait"})),
    Case("failures-none", "failures.outages=[]: must have 1 or more entries", failures({"outages": []})),
    Case(
        "failures-mode",
        "failures.on_failure=later: must be 'wait', 'retry' or 'fail'",
        failures({"on_failure": "later", "outages": [{"node": "edge1", "from_s": 0, "to_s": 1}]}),
    ),
    Case("outage-key", "failures.outages[0].at_s=1: is not a known key", outage(node="edge1", at_s=1)),
    Case("outage-nowhere", "failures.outages[0]: must give exactly one of node, link", outage(from_s=1, to_s=2)),
    Case(
        "outage-two-places",
        "failures.outages[0]: must give exactly one of node, link",
        outage(node="edge1", link=["gnb", "edge1"], from_s=1, to_s=2),
    ),
    Case(
        "outage-node",
        "failures.outages[0].node=edge7: must be the name of a node",
        outage(node="edge7", from_s=1, to_s=2),
    ),
    Case(
        "outage-template",
        "failures.outages[0].node=edge{i}: must be the name of a node",
        outage(node="edge{i}", from_s=1, to_s=2),
    ),
    Case(
        "outage-link",
        "failures.outages[0].link=[ue1, edge1]: must be the two ends of a link",
        outage(link=["ue1", "edge1"], from_s=1, to_s=2),
    ),
    Case(
        "outage-link-template",
        "failures.outages[0].link=[edge{i}, gnb]: must be the two ends of a link",
        outage(link=["edge{i}", "gnb"], from_s=1, to_s=2),
    ),
    Case("outage-one-end", "failures.outages[0].link", outage(link=["gnb"], from_s=1, to_s=2)),
    Case(
        "outage-no-times",
        "failures.outages[0]: must give either from_s and to_s, or mean_time_between_failures_s and mean_time_to_rep",
        outage(node="edge1"),
    ),
    Case("outage-no-end", "failures.outages[0]: must give either from_s and to_s, or", outage(node="edge1", from_s=1)),
    Case(
        "outage-two-kinds-of-times",
        "failures.outages[0]: must give either from_s and to_s, or",
        outage(node="edge1", from_s=1, to_s=2, mean_time_between_failures_s=9, mean_time_to_repair_s=1),
    ),
    Case("outage-order", "failures.outages[0]: from_s must be before to_s", outage(node="edge1", from_s=2, to_s=2)),
    Case("outage-early", "failures.outages[0].from_s=-1: must be at least 0", outage(node="edge1", from_s=-1, to_s=2)),
    Case(
        "outage-within-a-nanosecond",
        "failures.outages[0]: from_s must be before to_s",
        outage(node="edge1", from_s=1.0, to_s=1.0000000001),
    ),
    Case(
        "outage-mean-zero",
        "failures.outages[0].mean_time_to_repair_s=0: must be at least 0.001",
        outage(node="edge1", mean_time_between_failures_s=1, mean_time_to_repair_s=0),
    ),
    Case(
        "outages-drawn-twice",
        "failures: outages must have one entry with random times for edge1, not several",
        put(
            "failures",
            {"outages": [{"node": "edge1", "mean_time_between_failures_s": 9, "mean_time_to_repair_s": 1}] * 2},
        ),
    ),
    Case(
        "outage-repair-too-long",
        "failures.outages[0]: mean_time_between_failures_s must be above mean_time_to_repair_s, which is a part of it",
        outage(node="edge1", mean_time_between_failures_s=2, mean_time_to_repair_s=2),
    ),
    Case(
        "outage-drawn-twice",
        "failures.outages[1].link=[ue2, gnb]: must have mean times in one entry only",
        failures(
            {
                "outages": [
                    {"link": ["ue{i}", "gnb"], "mean_time_between_failures_s": 9, "mean_time_to_repair_s": 1},
                    {"link": ["gnb", "ue2"], "mean_time_between_failures_s": 5, "mean_time_to_repair_s": 1},
                ]
            }
        ),
    ),
    # groups
    Case("groups-task", "groups.task=video: must be one of image, text", groups(task="video")),
    Case("groups-source", "groups.source=ue2: must be one of ue1", groups(source="ue2")),
    Case("groups-nodes", "groups.nodes=gnb: must be a node with a device", groups(nodes=["ue{i}", "gnb"])),
    Case("groups-bounds", "groups: must give memory_mb in ascending order", groups(memory_mb=[100, 50])),
    # overrides
    Case("set-nothing", "--set seed: must look like links[0].delay_ms=5", overrides=("seed",)),
    Case("set-itself", "--set name=&a [*a]: must have a YAML value", overrides=("name=&a [*a]",)),
    Case("set-grammar", "--set links[a].loss=0: must look like", overrides=("links[a].loss=0",)),
    Case("set-yaml", "--set seed=[1: must have a YAML value", overrides=("seed=[1",)),
    Case("set-index", "--set links[7].loss=0: links has 2 entries", overrides=("links[7].loss=0",)),
    Case("set-no-list", "--set control[0].node=gnb: control must be a list", overrides=("control[0].node=gnb",)),
    Case("set-no-section", "--set seed.x=1: seed has no keys", overrides=("seed.x=1",)),
    Case("set-unknown", "--set links[0].lose=0.1: is not a known key", overrides=("links[0].lose=0.1",)),
    Case("set-unknown-section", "--set air={", overrides=("air.power=3",)),
    Case("set-value", "--set links[1].loss=1.4: must be between 0 and 1", overrides=("links[1].loss=1.4",)),
    Case("set-multiline", "--set name=a b: must be", overrides=('name="a\\nb"',)),
]
