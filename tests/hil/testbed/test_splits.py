"""A model split over real workers gives the whole model's answer, and its messages have the profile's sizes."""

import numpy as np
import pytest

from emulator.task import Partition
from hil.mqtt.broker import Broker
from hil.testbed.coordinator import Coordinator
from hil.testbed.hosts import known_workers, local_workers
from tests.hil.lab import NODE_WORKERS, expected, kind, split, system, task

# The largest error of a score as a part of the largest score, as met at any cut of the models below
# (printed by the test; about doubled here). fp32 is sent as it is computed: no error at all.
WORST = {"fp32": 0.0, "fp16": 4e-3, "bf16": 4e-2, "int8": 5e-2, "int4": 0.6, "int4+outliers": 0.8}


@pytest.mark.parametrize("model", ["resnet32", "nin", "llama-15m"])
def test_every_cut_gives_the_whole_models_answer(lab: Broker, model: str) -> None:
    kinds = {codec: kind(model, codec) for codec in WORST}
    layers = len(kinds["fp32"].model.layers)
    worst = dict.fromkeys(WORST, 0.0)
    with Coordinator(lab.address, NODE_WORKERS, system(list(kinds.values()))) as coordinator:
        for codec, each in kinds.items():
            wanted = task(each)
            whole = expected(wanted)
            for cut in range(layers + 1):
                inference = coordinator.infer(wanted, split(each, cut))
                assert inference.failure is None
                assert inference.result is not None
                assert inference.result.shape == whole.shape
                error = float(np.abs(inference.result - whole).max() / np.abs(whole).max())
                worst[codec] = max(worst[codec], error)
                if 0 < cut < layers:
                    assert inference.reports[0].payload_bytes == each.model.activation_bytes(
                        cut, wanted.prompt_tokens or 1, codec
                    )
                    assert [report.worker for report in inference.reports] == ["w1", "w2"]
    print(f"{model}: largest error by codec: {worst}")
    for codec, bound in WORST.items():
        assert worst[codec] <= bound
    assert worst["int8"] > 0  # the answers did go through int8


def test_three_partitions_over_mosquitto_with_two_on_one_worker(mosquitto: Broker) -> None:
    each = kind("resnet32")
    placement = (Partition("ue1", 0, 3), Partition("edge1", 3, 9), Partition("ue1", 9, 17))

    def states() -> dict[str, str]:
        return {
            status.worker: status.state for status in known_workers(mosquitto.address) if status.worker in ("w1", "w2")
        }

    with (
        local_workers(mosquitto.address, ["w1", "w2"]),
        Coordinator(mosquitto.address, NODE_WORKERS, system([each], cuts=[3])) as coordinator,
    ):
        inference = coordinator.infer(task(each), placement)
        assert inference.result is not None
        assert np.array_equal(inference.result, expected(task(each)))
        assert [report.worker for report in inference.reports] == ["w1", "w2", "w1"]
        both_here = (Partition("ue1", 0, 3), Partition("ue1", 3, 17))  # to itself, through the broker
        inference = coordinator.infer(task(each, number=1), both_here)
        assert inference.result is not None
        assert np.array_equal(inference.result, expected(task(each, number=1)))
        assert "mosquitto" in coordinator.describe()["broker"]
        assert states() == {"w1": "online", "w2": "online"}
    assert states() == {"w1": "offline", "w2": "offline"}
