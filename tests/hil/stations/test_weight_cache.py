"""The modelled weight cache of a station equals the simulation's."""

import numpy as np

from emulator.device import Device
from emulator.system import DeviceSpec
from hil.stations.schedule import Computer
from hil.stations.weight_cache import WeightCache
from topologies.profiles import load_profile

MODELS = {name: load_profile(name) for name in ("alexnet", "resnet32", "llama-15m")}
WEIGHTS = {name: [layer.weight_bytes for layer in model.layers] for name, model in MODELS.items()}


def test_loads_and_refusals_equal_the_simulations_device() -> None:
    rng = np.random.default_rng(1)
    loads = refusals = 0
    for memory_bytes in (40_000_000, 160_000_000, 200_000_000, 1_000_000_000):
        device = Device.standalone(DeviceSpec(1e12, memory_bytes, 1e12, 3.7e8, queue_tasks=10**6), MODELS)
        weight_cache = WeightCache(Computer(memory_bytes, 3.7e8, 1, ()), WEIGHTS)
        for now_ns in range(400):
            model = str(rng.choice(list(MODELS)))
            first, stop = sorted(rng.choice(len(WEIGHTS[model]) + 1, 2, replace=False).tolist())
            expected = device.submit(now_ns, model, first, stop, 0)
            load_ns = weight_cache.use(model, first, stop)
            assert load_ns == (None if isinstance(expected, str) else expected.load_ns)
            loads += bool(load_ns)
            refusals += load_ns is None
    assert loads > 200
    assert refusals > 50


def test_weights_loaded_at_the_start_cost_no_time() -> None:
    resident = tuple(("resnet32", index) for index in range(5))
    weight_cache = WeightCache(Computer(10**9, 1e9, 1, resident), WEIGHTS)
    assert weight_cache.use("resnet32", 0, 5) == 0
    assert weight_cache.use("resnet32", 4, 6) == WEIGHTS["resnet32"][5]
