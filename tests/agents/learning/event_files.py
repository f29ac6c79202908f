"""Event files of TensorBoard, read with the project's own format of records: length, checksum, bytes, checksum."""

import struct
from collections import defaultdict
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event


def scalars_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of each scalar, in the order of writing."""
    found = defaultdict(list)
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, start = path.read_bytes(), 0
        while start < len(data):
            (length,) = struct.unpack_from("<Q", data, start)
            event = Event.FromString(data[start + 12 : start + 12 + length])
            start += 16 + length
            for value in event.summary.value:
                found[value.tag].append((event.step, value.simple_value))
    return dict(found)
