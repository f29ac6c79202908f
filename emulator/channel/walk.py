"""A channel drawn from its settings: geometry, shadowing and fading become a trace."""

from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from emulator.channel.adaptation import cqi_of, failed_transmissions, load_cqi_table
from emulator.channel.fading import power_gain
from emulator.channel.large_scale import free_space_db, noise_dbm, path_loss_db, shadowing_db, to_and_fro_m
from emulator.channel.settings import ChannelSettings
from emulator.randomness import generator
from emulator.trace import Interval, Trace, whole_bits

Floats = npt.NDArray[np.float64]

VERSION = 1  # a change of what the same seed draws is a new version


def generate(settings: ChannelSettings, duration_ns: int, seed: int, entity: str) -> Trace:
    """The channel of one entity, slot by slot, release rule `slot`.

    `capacity_bits` is efficiency x bandwidth x (1 - overhead) x duty, divided by the trace's mean number
    of transmissions; `harq_delay_ns` the failed attempts' round trips; `block_lost` marks blocks that all
    attempts failed. Descriptive columns are kept to 0.01. Every draw is addressed by seed, entity and
    purpose alone, so the lineage is too: traces of one seed and entity share it, whatever their settings.

    Raises ValueError when the duration is not a whole number of slots, or nothing gets through in it.
    """
    if duration_ns < 1 or duration_ns % settings.slot_ns:
        raise ValueError(f"duration_ns={duration_ns}: must be a whole number of slots of {settings.slot_ns} ns")
    slots = duration_ns // settings.slot_ns
    lead = -(-settings.cqi_delay_ns // settings.slot_ns)  # slots before the first, for its CQI report
    parts = _signal(settings, slots, lead, seed, entity)
    table = load_cqi_table()
    reported = cqi_of(parts["snr_db"][:slots] - settings.cqi_margin_db, table)
    current = cqi_of(parts["snr_db"][lead:], table)
    bits = table.efficiency[reported] * settings.bandwidth_hz * (1 - settings.overhead) * settings.duty
    most = settings.max_transmissions
    failed = failed_transmissions(
        generator(seed, entity, "channel blocks"), reported > current, settings.bler_target, most
    )
    failed[reported == 0] = 0  # nothing is sent
    transmissions = np.minimum(failed + 1, most)
    bits *= settings.slot_ns * 1e-9 / transmissions.mean()
    columns: dict[str, npt.NDArray[np.generic]] = {
        "capacity_bits": whole_bits(bits),
        "harq_delay_ns": (transmissions - 1) * settings.harq_round_trip_ns,
        "block_lost": failed == most,
        "cqi": reported.astype(np.int8),
    }
    for name, values in parts.items():
        columns[name] = np.round(values[lead:], 2).astype(np.float32)
    metadata = {
        "kind": "generated",
        "generator": f"channel {VERSION}",
        "settings": asdict(settings),
        "seed": seed,
        "entity": entity,
        "tables": ["TS 38.214 Table 5.2.2.1-2"],
    }
    lineage = (Interval(f"channel {VERSION}: seed {seed}, entity {entity}", 0, duration_ns),)
    return Trace(settings.slot_ns, columns, "slot", lineage, metadata)


def _signal(settings: ChannelSettings, slots: int, lead: int, seed: int, entity: str) -> dict[str, Floats]:
    """Distance, losses and SNR of the `lead` slots before the start and all `slots`, shape (lead + slots,)."""
    step_m = settings.speed_mps * settings.slot_ns * 1e-9
    travelled_m = np.arange(-lead, slots, dtype=np.float64) * step_m
    distance_m = to_and_fro_m(travelled_m, settings.start_m, settings.nearest_m, settings.farthest_m)
    reference_db = settings.reference_loss_db
    if reference_db is None:
        reference_db = free_space_db(settings.carrier_hz, settings.reference_m)
    loss_db = path_loss_db(distance_m, settings.path_loss_exponent, settings.reference_m, reference_db)
    shadow_db = shadowing_db(
        generator(seed, entity, "channel shadowing"),
        lead + slots,
        step_m,
        settings.shadowing_sigma_db,
        settings.correlation_m,
    )
    fading_db = 10 * np.log10(power_gain(settings, generator(seed, entity, "channel fading"), lead + slots))
    signal_dbm = settings.tx_power_dbm + settings.antenna_gain_db - loss_db - shadow_db + fading_db
    return {
        "snr_db": signal_dbm - noise_dbm(settings.bandwidth_hz, settings.noise_figure_db),
        "path_loss_db": loss_db,
        "shadowing_db": shadow_db,
        "fading_db": fading_db,
        "distance_m": distance_m,
    }
