"""The coordinator's executions: measured times by pass and partition, scaled, and their origin."""

import pytest

from emulator.device import Device, layer_times
from emulator.task import passes
from hil.control_messages import Report
from hil.mqtt.broker import Broker
from hil.task_inputs import input_seed
from hil.testbed.coordinator import Coordinator, Inference, NodeWorker
from tests.hil.lab import NODE_WORKERS, kind, split, system, task

IMAGE, TEXT = kind("resnet32", "int8"), kind("llama-15m", "int8")


def test_layers_are_measured_and_decode_passes_follow_from_them(lab: Broker) -> None:
    hosts = {"ue1": NodeWorker("w1", 10.0), "edge1": NodeWorker("w2")}
    facts = system([IMAGE, TEXT], cuts=[4])
    with Coordinator(lab.address, hosts, facts) as coordinator:
        coordinator.deploy()
        measured = coordinator.measure_layers(repeats=3)
        devices = {
            name: Device.standalone(node.device, measured.models)
            for name, node in measured.nodes.items()
            if node.device
        }
        for each in (IMAGE, TEXT):
            model, layers = each.model.name, len(each.model.layers)
            roofline = layer_times(facts.nodes["ue1"].device or pytest.fail("no device"), each.model)
            times = {name: device.spec.measured[model] for name, device in devices.items()}
            assert times["ue1"].fixed_ns[4:] == roofline.fixed_ns[4:]  # ue1 runs none of these
            assert times["edge1"].fixed_ns[:4] == roofline.fixed_ns[:4]
            for index in range(4):
                assert 0 < times["ue1"].fixed_ns[index] + times["ue1"].token_ns[index] != roofline.fixed_ns[index]

            wanted = task(each)
            execution = coordinator.execute(wanted, split(each, 4))
            assert execution.failure is None
            assert execution.attempts == 1
            assert execution.compute == ("measured" if each is IMAGE else "mixed")
            assert all(service_ns > 0 for service_ns in execution.service_ns[0])
            assert list(map(list, execution.service_ns[1:])) == [
                [devices["ue1"].service_ns(model, 0, 4, *step), devices["edge1"].service_ns(model, 4, layers, *step)]
                for step in passes(wanted)[1:]
            ]
        facts_for_manifest = coordinator.describe()
        assert facts_for_manifest["broker"].startswith("aMQTT version")
        assert facts_for_manifest["nodes"]["ue1"] == {"worker": "w1", "time_scale": 10.0}
        for name in ("w1", "w2"):
            status = facts_for_manifest["workers"][name]
            assert status["torch_threads"] == 1
            assert status["torch"].startswith("2.")
            assert status["cpu"]
            assert "perf_counter" in status["clock"]


def test_times_are_scaled_by_node_and_failures_returned(lab: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {"ue1": NodeWorker("w1", 2.5), "edge1": NodeWorker("w2", 0.5)}
    reports = tuple(Report(1, f"w{stage + 1}", 1, 2, stage, 1_000, 7, 7, 7) for stage in range(2))
    outcome = Inference(reports, None, 2)
    coordinator = Coordinator(lab.address, hosts, system([IMAGE]))
    monkeypatch.setattr(Coordinator, "infer", lambda *_: outcome)
    execution = coordinator.execute(task(IMAGE), split(IMAGE, 4))
    assert list(map(list, execution.service_ns)) == [[2_500, 500]]
    assert execution.attempts == 2
    outcome = Inference((), None, 3, "worker lost")
    execution = coordinator.execute(task(IMAGE), split(IMAGE, 4))
    assert (execution.failure, execution.attempts, list(execution.service_ns)) == ("worker lost", 3, [])


def test_decode_passes_need_measured_layers(lab: Broker) -> None:
    coordinator = Coordinator(lab.address, NODE_WORKERS, system([TEXT]))
    with pytest.raises(RuntimeError, match=r"call measure_layers\(\) first"):
        coordinator.execute(task(TEXT), split(TEXT, 4))


def test_input_seed_depends_only_on_the_task(lab: Broker) -> None:
    facts = system([IMAGE, TEXT])
    seeds = set()
    for number in range(20):
        for of in (IMAGE, TEXT):
            seeds.add(input_seed(facts, task(of, number)))
            assert input_seed(facts, task(of, number)._replace(arrival_ns=10**9)) in seeds
    assert len(seeds) == 40
