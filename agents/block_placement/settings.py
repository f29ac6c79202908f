"""Settings of the block placement problem: those that Li et al. (IEEE TMC 23(10):9060-9074, 2024) publish, and ours."""

from dataclasses import dataclass, fields
from math import isfinite

COUNTS = ("blocks", "servers", "slots")
NOT_NEGATIVE = ("late_weight", "chip_factor", "energy_max_j")


@dataclass(frozen=True)
class BlockPlacementSettings:
    """Constants of the problem, in SI units. Rates are in bytes per second, work in floating-point operations.

    Raises ValueError (one line) for values out of range.
    """

    # Published.
    networks: tuple[str, ...] = ("alexnet",)  # each slot's network is drawn from them; published: four, one at a time
    blocks: int = 6  # M, 3 to 21
    servers: int = 4  # N, 2 to 9
    tasks_per_slot: float = 60.0  # 30 to 110; we draw from a Poisson distribution with this mean
    slots: int = 600  # T of an episode
    rate_min: float = 0.8e6  # of a device to a server
    rate_max: float = 2.0e6
    deadline_s: float = 1.0  # tau of each block, 1 to 7
    chip_factor: float = 1e-26  # kappa: energy of a cycle is kappa f^2

    # Ours: not published. One operation takes one cycle.
    late_weight: float = 1.0  # beta, of a second that a block is late
    device_flops_per_s: float = 1e9  # f^l
    slowest_server_flops_per_s: float = 4e9  # F_1; the servers are evenly spaced
    fastest_server_flops_per_s: float = 10e9  # F_N
    server_link_rate: float = 12.5e6  # R^max, between servers
    bandwidth_hz: float = 2e6  # B
    power_w: float = 0.5  # p
    noise_w_per_hz: float = 4e-21  # N_0, thermal noise at 290 K
    mean_gain: float = 1e-12  # of the Rayleigh fading |h|^2, whose draws are limited to those of the published rates
    energy_max_j: float = 10_000.0  # E_max of a device: enough for T tasks without a server

    # Ours: of the mended form only.
    slot_s: float = 5.0  # length of a slot, in which a server drains its queue
    failure_s: float = 10.0  # cost of a task whose device has no energy left

    def __post_init__(self) -> None:
        if not self.networks:
            raise ValueError("networks: must name at least one network")
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in COUNTS or not isinstance(value, int | float):
                continue
            if not isfinite(value) or value < 0 or (value == 0 and field.name not in NOT_NEGATIVE):
                raise ValueError(f"{field.name}={value}: must be finite and above 0")
        if self.rate_min > self.rate_max:
            raise ValueError(f"rate_min={self.rate_min}: must be at most rate_max={self.rate_max}")
