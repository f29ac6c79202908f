"""Generates the trace of a channel from its settings, chunk by chunk: propagation, fading, link adaptation."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emulator.channel.air.full_buffer import AirInterface, Columns, air_state
from emulator.channel.large_scale.track import Track
from emulator.channel.numerology import slot_ns
from emulator.channel.radio import SPEC_VERSION, Direction, Radio
from emulator.channel.signal import Signal
from emulator.core.randomness import draw_key
from emulator.core.scratch import Scratch, joined
from emulator.trace import Interval, Trace
from emulator.trace.writer import trace_writer

CHANNEL_VERSION = 3  # changes whenever the same seed draws other values
TAIL_SLOTS = 64  # per chunk after the end, until all blocks are decided
CHUNK_SLOTS = 4_096  # their SINR fits in the processor's cache; affects the speed only


def generate(
    radio: Radio,
    track: Track,
    duration_ns: int,
    seed: int,
    entity: str,
    direction: Direction,
    scratch: Scratch | None = None,
) -> Trace:
    """Generate the trace of one UE and direction under a full buffer, release rule `slot`; with a scratch file, in
    memory that does not grow with the duration.

    `capacity_bits` is the size of the block first sent in the slot, 0 in slots with a retransmission, without data
    symbols or without a grant; `harq_delay_ns` and `block_lost` belong to that block. All other columns describe the
    channel, rounded to 0.01 (`bler` to 0.0001). Draws, and so the lineage, are addressed by seed, entity and purpose
    only: traces of one seed and entity share their lineage, whatever their settings.

    The trace of a UE that is always out of coverage has no capacity.

    Raises ValueError if the duration is not a whole number of slots, or settings break a rule.
    """
    slots = _whole_slots(radio, duration_ns)
    columns = joined(stream(radio, track, duration_ns, seed, entity, direction), slots, scratch)
    lineage, metadata = origin(radio, track, duration_ns, seed, entity, direction)
    return Trace(slot_ns(radio.carrier.mu), columns, "slot", lineage, metadata)


def generate_file(
    path: Path, radio: Radio, track: Track, duration_ns: int, seed: int, entity: str, direction: Direction
) -> str:
    """Write the trace of `generate` to a file, in constant memory. Return its SHA-256. Raises as `generate` does."""
    lineage, metadata = origin(radio, track, duration_ns, seed, entity, direction)
    with trace_writer(path, slot_ns(radio.carrier.mu), "slot", lineage, metadata) as writer:
        for part in stream(radio, track, duration_ns, seed, entity, direction):
            writer.append(part)
    return writer.sha256


def origin(
    radio: Radio, track: Track, duration_ns: int, seed: int, entity: str, direction: Direction
) -> tuple[tuple[Interval, ...], dict[str, Any]]:
    """Return lineage and metadata of a generated trace."""
    track_digest = hashlib.sha256(track.at_ns.astype("<i8").tobytes() + track.points_m.astype("<f8").tobytes())
    metadata = {
        "kind": "generated",
        "generator": f"channel {CHANNEL_VERSION}",
        "spec_version": SPEC_VERSION,
        "radio": asdict(radio),
        "track": {"points": len(track.at_ns), "sha256": track_digest.hexdigest()},
        "seed": seed,
        "entity": entity,
        "direction": direction,
    }
    return (Interval(f"channel {CHANNEL_VERSION}: seed {seed}, entity {entity}", 0, duration_ns),), metadata


def stream(
    radio: Radio,
    track: Track,
    duration_ns: int,
    seed: int,
    entity: str,
    direction: Direction,
    chunk_slots: int = CHUNK_SLOTS,
) -> Iterator[Columns]:
    """Yield the columns of `generate` chunk by chunk; the values do not depend on `chunk_slots`.

    The channel is simulated beyond the end until the outcome of all blocks is known."""
    slots = _whole_slots(radio, duration_ns)
    signal = Signal(radio, track, seed, entity, direction)
    air = AirInterface(air_state(radio, direction, draw_key(seed, entity, f"channel blocks {direction}")))
    undecided: list[Columns] = []  # descriptions of the slots that `air` has not returned yet
    done = 0
    while done < slots:
        left = slots - done - air.undecided_slots
        following = signal.next_slots(min(chunk_slots, left) if left > 0 else TAIL_SLOTS)
        undecided.append(following.description)
        blocks = air.feed(following.received)
        decided = len(blocks["capacity_bits"])
        description = {name: np.concatenate([part[name] for part in undecided]) for name in following.description}
        undecided = [{name: values[decided:] for name, values in description.items()}]
        wanted = min(decided, slots - done)
        if wanted:
            yield {name: values[:wanted] for name, values in (_rounded(blocks) | description).items()}
        done += decided


def _rounded(blocks: Columns) -> Columns:
    return blocks | {"sinr_db": np.round(blocks["sinr_db"], 2), "bler": np.round(blocks["bler"], 4)}


def _whole_slots(radio: Radio, duration_ns: int) -> int:
    length_ns = slot_ns(radio.carrier.mu)
    if duration_ns < 1 or duration_ns % length_ns:
        raise ValueError(f"duration_ns={duration_ns}: must be a whole number of slots of {length_ns} ns")
    return duration_ns // length_ns
