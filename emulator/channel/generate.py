"""A channel drawn from its settings: propagation, fading and link adaptation become a trace, chunk by chunk."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from emulator.channel.air.full_buffer import AirInterface, Columns
from emulator.channel.large_scale.track import Track
from emulator.channel.numerology import slot_ns
from emulator.channel.radio import SPEC_VERSION, Direction, Radio
from emulator.channel.signal import Signal
from emulator.core.randomness import draw_key
from emulator.trace import Interval, Trace
from emulator.trace.writer import trace_writer

VERSION = 2  # a change of what the same seed draws is a new version
TAIL_SLOTS = 64  # at once, after the end, until the last blocks are decided
CHUNK_SLOTS = 4_096  # their SINR stays in a processor's cache; of no consequence to any value


def generate(radio: Radio, track: Track, duration_ns: int, seed: int, entity: str, direction: Direction) -> Trace:
    """The channel of one UE in one direction, slot by slot, release rule `slot`: what a full buffer would get.

    `capacity_bits` is the size of the block that begins in the slot; a slot with a retransmission, without data
    symbols or without a grant has none. `harq_delay_ns` and `block_lost` tell what became of that block. Other
    columns describe, kept to 0.01 (`bler` to 0.0001). Every draw is addressed by seed, entity and purpose alone,
    so the lineage is too: traces of one seed and entity share it, whatever their settings.

    A UE that is out of coverage all that time has a trace that carries nothing.

    Raises ValueError when the duration is not a whole number of slots, or settings break a rule.
    """
    parts = list(stream(radio, track, duration_ns, seed, entity, direction))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    lineage, metadata = origin(radio, track, duration_ns, seed, entity, direction)
    return Trace(slot_ns(radio.carrier.mu), columns, "slot", lineage, metadata)


def generate_file(
    path: Path, radio: Radio, track: Track, duration_ns: int, seed: int, entity: str, direction: Direction
) -> str:
    """Write what `generate` makes, in flat memory, however long; the trace's SHA-256. Raises as it does."""
    lineage, metadata = origin(radio, track, duration_ns, seed, entity, direction)
    with trace_writer(path, slot_ns(radio.carrier.mu), "slot", lineage, metadata) as writer:
        for part in stream(radio, track, duration_ns, seed, entity, direction):
            writer.append(part)
    return writer.sha256


def origin(
    radio: Radio, track: Track, duration_ns: int, seed: int, entity: str, direction: Direction
) -> tuple[tuple[Interval, ...], dict[str, Any]]:
    """Lineage and metadata of a generated trace."""
    way = hashlib.sha256(track.at_ns.astype("<i8").tobytes() + track.points_m.astype("<f8").tobytes())
    metadata = {
        "kind": "generated",
        "generator": f"channel {VERSION}",
        "spec_version": SPEC_VERSION,
        "radio": asdict(radio),
        "track": {"points": len(track.at_ns), "sha256": way.hexdigest()},
        "seed": seed,
        "entity": entity,
        "direction": direction,
    }
    return (Interval(f"channel {VERSION}: seed {seed}, entity {entity}", 0, duration_ns),), metadata


def stream(
    radio: Radio,
    track: Track,
    duration_ns: int,
    seed: int,
    entity: str,
    direction: Direction,
    chunk_slots: int = CHUNK_SLOTS,
) -> Iterator[Columns]:
    """The columns of `generate`, some slots at a time, in order; the values do not depend on `chunk_slots`.

    A block's outcome may be known only slots later, so the channel is followed beyond the end until all are."""
    slots = _whole_slots(radio, duration_ns)
    signal = Signal(radio, track, seed, entity, direction)
    air = AirInterface(
        radio.carrier, radio.adaptation, radio.harq, draw_key(seed, entity, f"channel blocks {direction}")
    )
    described: list[Columns] = []  # the slots that `air` still holds
    done = 0
    while done < slots:
        left = slots - done - air.undecided_slots
        heard = signal.next_slots(min(chunk_slots, left) if left > 0 else TAIL_SLOTS)
        described.append(heard.described)
        blocks = air.feed(heard.sinr, heard.symbols)
        final = len(blocks["capacity_bits"])
        together = {name: np.concatenate([part[name] for part in described]) for name in heard.described}
        described = [{name: values[final:] for name, values in together.items()}]
        wanted = min(final, slots - done)
        if wanted:
            yield {name: values[:wanted] for name, values in (_described(blocks) | together).items()}
        done += final


def _described(blocks: Columns) -> Columns:
    """The blocks' columns, those that describe rounded."""
    return blocks | {"sinr_db": np.round(blocks["sinr_db"], 2), "bler": np.round(blocks["bler"], 4)}


def _whole_slots(radio: Radio, duration_ns: int) -> int:
    length_ns = slot_ns(radio.carrier.mu)
    if duration_ns < 1 or duration_ns % length_ns:
        raise ValueError(f"duration_ns={duration_ns}: must be a whole number of slots of {length_ns} ns")
    return duration_ns // length_ns
