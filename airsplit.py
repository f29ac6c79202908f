"""The command line: ties scenarios, policies, hosts and results together.

Results go to standard output, messages to standard error, a line each. Exit codes: 0 done, 2 wrong
usage, 3 bad input (a missing file too), 4 something that this machine lacks, 5 a run whose own checks failed.
"""

import hashlib
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agents.checkpoint import Checkpoint
from agents.evaluation import HOSTS, check_policies, evaluate, for_hosts, named_checkpoints, on_hosts, policies_of
from emulator.channel.radio import Direction, Environment
from emulator.core.files import require_folder
from emulator.core.units import ns_from_text
from emulator.decisions import Decision, Noted
from emulator.layer_times import load_measured, measured_of, with_measured
from emulator.policy import Compute, Policy, Totals
from emulator.realtime.relay import RelayFailed
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.replayed_compute import Replayed
from emulator.system import System
from emulator.trace import Trace
from emulator.trace.formats import Format
from emulator.trace.writer import require_trace_file
from hil.errors import MissingDependency
from results.progress import Phases
from topologies.build import build
from topologies.build.emulation_scope import (
    EMULATED_SUFFIX,
    emulated_part,
    for_one_policy,
    require_carrier,
    without_tasks,
)
from topologies.build.run_inputs import checkpoint_file, load_traces, resolved_yaml, store_inputs, stored_files
from topologies.loading.loader import load, named
from topologies.schema.scenario import Scenario

if TYPE_CHECKING:
    from hil.testbed.lab import Lab
    from results.run.facts import Told
    from results.run.manifest import Check

Curve = list[dict[str, Any]]  # the points of an agent's learning curve

LITTLE_LIMIT = 1e-9  # relative; both sides count whole nanoseconds

app = typer.Typer(
    name="airsplit",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
trace_app = typer.Typer(help="Make, import, export, check and look at traces.", no_args_is_help=True)
app.add_typer(trace_app, name="trace")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Instead of the scenario's seed.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=c", help="Change a value of the scenario.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the folders of runs.")]
OutFile = Annotated[Path, typer.Option("--out", help="File to write.")]
BrokerAddress = Annotated[str, typer.Option("--broker", metavar="HOST:PORT")]
ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN")]
TraceFile = Annotated[Path, typer.Argument(metavar="TRACE")]
RecordingFile = Annotated[Path, typer.Argument(metavar="FILE")]
DrawSeed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of all draws.")]
Columns = Annotated[
    str | None, typer.Option("--columns", help="For csv: what columns mean; for list: which run and series (see docs).")
]


def print_version(asked: bool) -> None:
    """What `--version` prints."""
    if asked:
        print(f"airsplit {version('airsplit')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Where should each part of a neural network run when devices and servers are joined by a 5G link?"""


def main() -> None:
    """Run the command line; an error becomes one line on standard error and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started ends with us
    sys.path.append(str(Path.cwd()))  # where the classes of a user's own policies are looked for
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app()
    except (MissingDependency, RelayFailed) as error:
        fail(4, str(error))
    except OSError as error:
        fail(3, f"{error.filename or 'file'}: {error.strerror or error}")
    except ValueError as error:
        fail(3, str(error))


def fail(code: int, message: str) -> None:
    """Say why, in one line, and end."""
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def show(value: object) -> None:
    """A result as JSON."""
    print(json.dumps(value, indent=2, default=str))


def wrote(path: Path, sha256: str | None, as_json: bool) -> None:
    """The result of a command that writes one file."""
    facts = {"path": str(path)} | ({"sha256": sha256} if sha256 else {})
    show(facts) if as_json else print(*facts.values())


def list_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """A result of a few numbers, a line each."""
    if as_json:
        show(facts)
    for name, value in () if as_json else facts.items():
        print(f"{name}: {value}")


def in_line(row: Mapping[str, object], spec: str) -> str:
    """A row of a result on one line, its floats formatted by `spec`."""
    return " ".join(f"{key}={format(value, spec) if isinstance(value, float) else value}" for key, value in row.items())


# ---------------------------------------------------------------- run


@app.command()
def run(
    scenario: ScenarioFile,
    seed: Seed = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    hil: Annotated[
        str | None, typer.Option("--hil", metavar="local|HOST:PORT", help="Also run tasks on workers, over MQTT.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a scenario under every policy that it names, and write records, figures and a report."""
    started = datetime.now(UTC)
    home = scenario.parent
    chosen = load(scenario, overrides or (), seed)
    with ExitStack() as stack:
        stack.enter_context(named(scenario))
        system = build(chosen, home)
        checkpoints = named_checkpoints(chosen, home, system)
        check_policies(chosen, home, system, checkpoints)
        phases = stack.enter_context(Phases(quiet))
        lab = stack.enter_context(hosts_of(hil, chosen, system, phases)) if hil else None
        system = system if lab is None else lab.system
        folder, fresh = begin(chosen, home, system, checkpoints, out, phases)
        totals = run_policies(chosen, fresh, system, lab and lab.compute_of, folder, phases)
        passed = finish(chosen, system, folder, started, totals, told_by(lab, chosen), phases)
    print_result(folder, as_json)
    if not passed:
        sys.exit(5)


def begin(
    chosen: Scenario, home: Path, system: System, named_ones: Mapping[str, Checkpoint], out: Path, phases: Phases
) -> tuple[Path, Callable[[], Mapping[str, Policy]]]:
    """Train the agents that have no checkpoint and make the run's folder, with all that a rerun needs in it. The
    folder, and what makes the run's policies, fresh at each call."""
    from results.run.folder import create_run_folder

    trained = trained_agents(chosen, home, system, phases)
    checkpoints = {**named_ones, **{label: checkpoint for label, (checkpoint, _) in trained.items()}}
    text = resolved_yaml(chosen, home)
    inputs = " ".join([text, *(link.trace.sha256 for link in system.links)])
    folder = create_run_folder(out, chosen.name, hashlib.sha256(inputs.encode()).hexdigest())
    store_inputs(folder, text, stored_files(chosen, home), system)
    store_agents(folder, checkpoints, {label: curve for label, (_, curve) in trained.items()})
    return folder, partial(policies_of, chosen, home, system, checkpoints)


def run_policies(
    chosen: Scenario,
    fresh: Callable[[], Mapping[str, Policy]],
    system: System,
    compute_of: Callable[[str], Compute] | None,
    folder: Path,
    phases: Phases,
) -> dict[str, Totals]:
    """Every policy in simulation, then those for hosts with what `compute_of` gives for their labels."""
    with Records(folder) as records:
        totals = evaluate(fresh(), lambda _: Simulation(system), records, partial(phases, "simulating policies"))
        if compute_of is not None:
            shorter, chosen_ones = for_hosts(chosen, system), on_hosts(chosen, fresh())

            def backend_of(label: str) -> Simulation:
                return Simulation(shorter, compute_of(label))

            totals |= evaluate(chosen_ones, backend_of, records, partial(phases, "running on hosts"))
    return totals


def hosts_of(where: str, chosen: Scenario, system: System, phases: Phases) -> "AbstractContextManager[Lab]":
    """The lab; only a run with hosts imports torch for it."""
    from hil.testbed.lab import open_lab

    return open_lab(where, chosen, system, phases)


def trained_agents(chosen: Scenario, home: Path, system: System, phases: Phases) -> dict[str, tuple[Checkpoint, Curve]]:
    """Checkpoint and learning curve of each agent that has no checkpoint, trained on the run's layer times."""
    from agents.training import train_missing

    measured = measured_of(system)
    return train_missing(chosen, home, phases, lambda other: with_measured(other, measured))


def store_agents(folder: Path, checkpoints: Mapping[str, Checkpoint], curves: Mapping[str, Curve]) -> None:
    """The agents that the run uses, and how those that it trained learned."""
    for label, checkpoint in checkpoints.items():
        checkpoint.save(folder / checkpoint_file(label))
    if curves:
        from results.run.tables import write_learning

        write_learning(folder / "learning.csv", curves)


def finish(
    chosen: Scenario,
    system: System,
    folder: Path,
    started: datetime,
    totals: Mapping[str, Totals],
    told: "Told",
    phases: Phases,
) -> bool:
    """Bound, manifest, and all that is made of them. Whether the run's own checks passed."""
    from results.finish import conclude
    from results.run.facts import facts_of
    from results.run.manifest import describe_run

    manifest = describe_run(
        folder,
        chosen.name,
        facts_of(chosen, system, told),
        seeds={"scenario": chosen.seed, "training": chosen.training.seed},
        command=("airsplit", *sys.argv[1:]),
        started=started,
        threads={"torch": 1},
        checks=(*account(system, totals, folder), *told.checks),
        broker=told.broker,
        workers={name: dict(facts) for name, facts in told.workers.items()},
    )
    conclude(folder, manifest, phases)
    return manifest.valid


def account(system: System, totals: Mapping[str, Totals], folder: Path) -> "tuple[Check, ...]":
    """Write what the computers drew and the bound of every task; the checks of the simulation on itself."""
    from agents.bound import bounds
    from results.run.manifest import Check
    from results.run.tables import write_bound, write_device_energy

    write_device_energy(folder / "devices.csv", totals)
    write_bound(folder / "bound.parquet", bounds(system))
    return tuple(
        Check(name="Little's law", subject=label, value=each.little_error, limit=LITTLE_LIMIT)
        for label, each in totals.items()
    )


def told_by(lab: "Lab | None", chosen: Scenario) -> "Told":
    """What workers have to say of a run, where it had any."""
    from results.run.facts import Told
    from results.run.manifest import Broker

    if lab is None or chosen.hil is None:
        return Told("sim")
    hosts_now = lab.describe()
    on_hosts_s = min(chosen.duration_s, chosen.hil.duration_s)
    notes = [
        f"Rows that end in {HOSTS} are of the first {on_hosts_s:g} s: workers ran every partition, and "
        "activations went from worker to worker over MQTT. The others are simulated on the layer times that these "
        "workers measured."
    ]
    if hosts_now.moves:
        notes.append("Tasks are counted over all that the workers ran: " + "; ".join(hosts_now.moves) + ".")
    broker = Broker(name=hosts_now.broker[0], version=hosts_now.broker[1])
    return Told("hil", tuple(notes), broker=broker, workers=hosts_now.workers)


def print_result(folder: Path, as_json: bool) -> None:
    """The table of a finished run, and where its report lies."""
    from results.run.folder import open_run
    from results.statistics import read_summary
    from results.text import table_lines

    table = read_summary(open_run(folder))
    if as_json:
        rows = json.loads(table.to_json(orient="records"))
        show({"run": str(folder), "report": str(folder / "report.html"), "summary": rows})
        return
    print("\n".join(table_lines(table)))
    print(f"report: {folder / 'report.html'}")


@app.command()
def emulate(
    scenario: ScenarioFile,
    policy: Annotated[str | None, typer.Option("--policy", help="Label; instead of realtime.policy.")] = None,
    seed: Seed = None,
    out: OutFolder = Path("runs"),
    overrides: Overrides = None,
    cli: Annotated[bool, typer.Option("--cli", help="Mininet's prompt in the network, instead of tasks.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a scenario with real packets of real programs in real time, in a private network (needs root)."""
    from emulator.realtime import sandbox as world

    started = datetime.now(UTC)
    home = scenario.parent
    with named(scenario):
        chosen = for_one_policy(load(scenario, overrides or (), seed), policy)
        chosen = without_tasks(chosen) if cli else chosen
        require_carrier(chosen)
    if not world.inside():
        world.require()
        sys.exit(world.run_inside([sys.executable, *sys.orig_argv[1:]]))

    from hil.stations import emulation  # which needs Mininet
    from hil.stations.files import append_real_tasks
    from results.agreement.checks import told_by_relay
    from topologies.mininet.network import require_network
    from topologies.mininet.real_devices import require_interfaces

    with named(scenario), Phases(quiet or cli) as phases:  # bars would write over the prompt
        require_interfaces(chosen)
        system = build(chosen, home)
        require_network(chosen, system)
        checkpoints = named_checkpoints(chosen, home, system)
        check_policies(chosen, home, system, checkpoints)
        folder, fresh = begin(chosen, home, system, checkpoints, out, phases)
        part = emulated_part(chosen, system)
        with Records(folder) as records:
            totals, decisions = simulated(part, fresh(), records)
            if cli:
                found = emulation.open_prompt(chosen, home, part, folder, phases)
            else:
                found = emulation.emulate(chosen, home, part, decisions, folder, phases)
            append_real_tasks(records, chosen.labels[0] + EMULATED_SUFFIX, folder)
        told = told_by_relay(found, chosen, part, folder)
        passed = finish(chosen, part, folder, started, totals, told, phases)
    print_result(folder, as_json)
    if not passed:
        sys.exit(5)


def simulated(
    system: System, policies: Mapping[str, Policy], records: Records
) -> tuple[dict[str, Totals], list[Decision]]:
    """Simulate the one policy there is. Its totals by its label, and all that it decided."""
    ((label, policy),) = policies.items()
    noted = Noted(policy)
    return {label: Simulation(system).run(noted, label, records)}, noted.decisions


@app.command()
def rerun(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")], as_json: Json = False, quiet: Quiet = False
) -> None:
    """Repeat a run from its stored traces, checkpoints and times; exit 0 only if the digests agree."""
    from results.run.folder import open_run, verify
    from results.run.manifest import RECORDS

    folder = manifest.parent if manifest.name == "manifest.json" else manifest
    finished = open_run(folder)
    verify(finished)
    with named(folder / "scenario.yaml"):
        chosen = load(folder / "scenario.yaml")
        system = build(chosen, folder, load_traces(folder))
    system = with_measured(system, load_measured(folder / "measured.json"))
    checkpoints = {path.stem: Checkpoint.load(path) for path in sorted((folder / "checkpoints").glob("*.safetensors"))}
    fresh = partial(policies_of, chosen, folder, system, checkpoints)
    with Phases(quiet) as phases, tempfile.TemporaryDirectory() as scratch:
        if finished.manifest.facts.rung == "emu":
            repeat_emulation(folder, emulated_part(chosen, system), fresh(), Path(scratch))
        else:
            replayed = partial(Replayed, folder, system=system) if finished.manifest.facts.rung == "hil" else None
            run_policies(chosen, fresh, system, replayed, Path(scratch), phases)
        again = records_sha256([Path(scratch) / name for name in RECORDS])
    before = finished.manifest.records_sha256
    if as_json:
        show({"run": str(folder), "records_sha256": before, "again": again, "agree": again == before})
    if again != before:
        fail(5, f"{folder}: records_sha256 {again[:12]} must be {before[:12]} as in manifest.json")
    if not as_json:
        print(f"{folder}: records_sha256 {again} again")


def repeat_emulation(folder: Path, system: System, policies: Mapping[str, Policy], scratch: Path) -> None:
    """Records of an emulation from what it stored: simulated rows anew, real ones from the stations' files. Ends with
    code 5 where the simulation does otherwise with the packets of its log than the relay did."""
    from hil.stations.files import append_real_tasks
    from results.agreement.checks import agreement

    with Records(scratch) as records:
        ((label, _),) = simulated(system, policies, records)[0].items()
        append_real_tasks(records, label + EMULATED_SUFFIX, folder)
    found = agreement(folder, system)
    if not found.complete:
        fail(5, f"{folder}: packets.parquet: must be as simulated; {found.missing} are missing; {found.first}")


@app.command()
def figures(folder: RunFolder, as_json: Json = False) -> None:
    """Draw a run's figures anew."""
    from results.figures.draw import draw_figures
    from results.run.folder import open_run, verify

    run = open_run(folder)
    verify(run)
    paths = [str(path) for path in draw_figures(run)]
    show(paths) if as_json else print("\n".join(paths))


@app.command()
def report(folder: RunFolder, as_json: Json = False) -> None:
    """Write a run's report anew."""
    from results.report import write_report
    from results.run.folder import open_run, verify

    run = open_run(folder)
    verify(run)
    path = str(write_report(run))
    show({"report": path}) if as_json else print(path)


# ---------------------------------------------------------------- agents and models


@app.command()
def train(
    scenario: ScenarioFile,
    agent: Annotated[Literal["ppo", "a3c"], typer.Option("--agent")],
    out: OutFile,
    seed: Annotated[int | None, typer.Option("--seed", help="Instead of the scenario's training seed.")] = None,
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train an agent on channels that share nothing with the scenario's run, and write its checkpoint."""
    from agents.training import train_one

    require_folder(out)
    chosen = load(scenario, overrides or ())
    with named(scenario), Phases(quiet) as phases:
        seed = chosen.training.seed if seed is None else seed
        checkpoint = train_one(chosen, scenario.parent, agent, seed, phases)
    checkpoint.save(out)
    wrote(out, checkpoint.sha256, as_json)


@app.command()
def profile(
    model: Annotated[str, typer.Argument(help="Name of a model of topologies/models.")],
    out: OutFile,
    as_json: Json = False,
) -> None:
    """Take a model's profile (FLOPs, weights, activations by layer), without memory for its weights."""
    from topologies.models.profiling import take_profile
    from topologies.profiles import save_profile

    require_folder(out)
    save_profile(take_profile(model), out)
    wrote(out, None, as_json)


# ---------------------------------------------------------------- hosts


@app.command()
def broker(
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 0,
    mosquitto: Annotated[
        bool, typer.Option("--mosquitto", help="A private Mosquitto instead of the embedded broker.")
    ] = False,
) -> None:
    """Run an MQTT broker until interrupted; prints HOST:PORT."""
    import hil.mqtt.broker

    start = hil.mqtt.broker.mosquitto if mosquitto else hil.mqtt.broker.embedded
    with start(host, port) as running:
        print(running.address, flush=True)
        running.process.wait()


@app.command()
def worker(
    broker_address: BrokerAddress,
    name: Annotated[str, typer.Option("--name", help="As in the scenario's hil.workers.")],
) -> None:
    """Run partitions for a coordinator until interrupted."""
    from hil.mqtt.client import parse_address
    from hil.worker import serve

    serve(parse_address(broker_address), name)


@app.command()
def hosts(broker_address: BrokerAddress, as_json: Json = False) -> None:
    """List the workers that a broker knows of."""
    from hil.mqtt.client import parse_address
    from hil.testbed.hosts import hosts as find

    found = [asdict(status) for status in find(parse_address(broker_address))]
    if as_json:
        show(found)
    for status in () if as_json else found:
        print(in_line(status, ""))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine has for real-time emulation and hosts, and what to install for the rest."""
    from hil.doctor import examine

    findings = list(examine())
    if as_json:
        show([finding._asdict() for finding in findings])
    for name, found, detail, remedy in () if as_json else findings:
        print(f"{name:13}{'yes' if found else 'no':4}{detail if found else remedy}")


# ---------------------------------------------------------------- traces


@trace_app.command()
def new(
    out: Annotated[Path, typer.Option("--out", help="A folder; for one UE and one direction also a .parquet file.")],
    model: Annotated[Environment, typer.Option("--model", help="Environment of TR 38.901.")] = "umi",
    ues: Annotated[int, typer.Option("--ues", min=1, max=10_000)] = 1,
    direction: Annotated[Literal["both", "uplink", "downlink"], typer.Option("--direction")] = "both",
    duration: Annotated[str, typer.Option("--duration", help="Such as 60s, 500ms or 2min.")] = "60s",
    seed: DrawSeed = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="a.b=c", help="A scenario's key: cell.bandwidth_mhz=20, radio.speed_mps=10."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Generate the 5G NR channels of UEs in a cell."""
    from topologies.new_traces import new_traces, trace_request

    directions: tuple[Direction, ...] = ("uplink", "downlink") if direction == "both" else (direction,)
    found = []
    for path, sha256 in new_traces(
        trace_request(model, overrides or ()), ues, directions, ns_from_text("--duration", duration), seed, out
    ):
        found.append({"path": str(path), "sha256": sha256})
        if not as_json:
            print(path, sha256)
    if as_json:
        show(found)


@trace_app.command(name="import")
def import_(
    recording: RecordingFile,
    format_: Annotated[Format, typer.Option("--format")],
    out: OutFile,
    columns: Columns = None,
    slot: Annotated[str | None, typer.Option("--slot", help="Cut into slots of this length, such as 1ms.")] = None,
    beside: Annotated[
        Path | None, typer.Option("--beside", metavar="FILE", help="End with this other direction, if it is shorter.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a recording into a trace."""
    from emulator.trace.formats import cut_to_length_of, read

    require_trace_file(out)
    trace = read(recording, format_, columns)
    if beside is not None:
        trace = cut_to_length_of(trace, read(beside, format_, columns))
    if slot is not None:
        trace = trace.resample(ns_from_text("--slot", slot))
    trace.save(out)
    wrote(out, trace.sha256, as_json)


@trace_app.command()
def rtt(recording: RecordingFile, as_json: Json = False) -> None:
    """Say what a `.list` file of pings holds, run by run."""
    from emulator.trace.formats import ping_summary

    runs = ping_summary(recording)
    if as_json:
        show(runs)
    for row in () if as_json else runs:
        print(in_line(row, "g"))


@trace_app.command()
def predict(
    recordings: Annotated[list[Path], typer.Argument(metavar="FILE ...")],
    out: OutFile,
    columns: Columns = None,
    width_mhz: Annotated[
        float | None, typer.Option("--width-mhz", min=1e-6, help="Bandwidth x layers x shares of time and of the cell.")
    ] = None,
    fit: Annotated[
        Literal["width", "anchor"] | None,
        typer.Option("--fit", help="Instead of --width-mhz; anchor: LTE's rate beside NR, too. Without both: width."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare recorded rates with those that the link model has for the recorded SINR: CSV or traces, a page each."""
    from results.figures.predictions import prediction_pages
    from results.figures.style import require_drawable
    from results.prediction import calibration, facts, predict_files

    require_drawable(out)
    pages = predict_files(recordings, columns, calibration(fit, width_mhz))
    prediction_pages(pages, out)
    rows = [{"file": name} | facts(prediction) for name, prediction in pages]
    if as_json:
        show({"path": str(out), "predictions": rows})
    for row in () if as_json else rows:
        print(in_line(row, ".3g"))


@trace_app.command()
def export(
    trace: TraceFile,
    format_: Annotated[Literal["mahimahi"], typer.Option("--format")],
    out: OutFile,
    as_json: Json = False,
) -> None:
    """Write a trace in another format."""
    from emulator.trace.formats import export_mahimahi

    require_folder(out)
    export_mahimahi(Trace.load(trace), out)
    wrote(out, None, as_json)


@trace_app.command()
def info(trace: TraceFile, as_json: Json = False) -> None:
    """Say what a trace is, in a few numbers."""
    from emulator.trace.formats import summary

    facts = summary(Trace.load(trace))
    list_facts(facts, as_json)


@trace_app.command()
def check(trace: TraceFile, as_json: Json = False) -> None:
    """Check a trace's values against every rule, and against their stored digest."""
    wrote(trace, Trace.load(trace).sha256, as_json)


@trace_app.command()
def plot(trace: TraceFile, out: OutFile, as_json: Json = False) -> None:
    """Draw a trace: PDF or PNG, by the file's ending."""
    from results.figures.trace import plot_trace

    require_folder(out)
    plot_trace(Trace.load(trace), out)
    wrote(out, None, as_json)


@trace_app.command()
def fit(
    recording: RecordingFile,
    out: OutFile,
    format_: Annotated[Format | None, typer.Option("--format")] = None,
    columns: Columns = None,
    until: Annotated[str | None, typer.Option("--until", help="Fit on what comes before this time alone.")] = None,
    sample: Annotated[str | None, typer.Option("--sample", help="Of mean rates; a slot, or 100ms if longer.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw the recording and a draw side by side: PDF, PNG or SVG.")
    ] = None,
    seed: DrawSeed = 1,
    as_json: Json = False,
) -> None:
    """Learn the kind of a recording: its rate's distribution, correlation in time, and outages.

    FILE is a trace or, with --format, a recording."""
    from emulator.trace.fitted import describe, learn, save_model
    from emulator.trace.formats import read
    from results.figures.fits import side_by_side
    from results.figures.style import require_drawable

    require_folder(out)
    if figure is not None:
        require_drawable(figure)
    trace = read(recording, format_ or "parquet", columns)
    if until is not None:
        trace = trace.until(ns_from_text("--until", until))
    model = learn(trace, None if sample is None else ns_from_text("--sample", sample))
    if figure is not None:
        side_by_side(trace, model, seed, "ue1", figure)
    save_model(model, out)
    facts = {"path": str(out)} | describe(model)
    list_facts(facts, as_json)


@trace_app.command()
def draw(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="As `fit` wrote it.")],
    out: OutFile,
    duration: Annotated[str | None, typer.Option("--duration", help="Instead of the recording's length.")] = None,
    seed: DrawSeed = 1,
    entity: Annotated[str, typer.Option("--entity", help="Whose channel: part of every draw's address.")] = "ue1",
    as_json: Json = False,
) -> None:
    """Draw a new trace of a fitted recording's kind."""
    from emulator.trace.fitted import draw as draw_trace
    from emulator.trace.fitted import load_model

    require_trace_file(out)
    learned = load_model(model)
    duration_ns = learned.span_ns if duration is None else ns_from_text("--duration", duration)
    trace = draw_trace(learned, duration_ns, seed, entity)
    trace.save(out)
    wrote(out, trace.sha256, as_json)


if __name__ == "__main__":
    main()
