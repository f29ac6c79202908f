"""Event files of TensorBoard, read with the project's own format of records: length, checksum, bytes, checksum."""

import struct
from collections import defaultdict
from pathlib import Path

from tests.extras import module_of_extra


def scalars_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) of each scalar, in the order of writing. Skip the test without the extra `tracking`."""
    event = module_of_extra("tensorboardX.proto.event_pb2", "tracking").Event
    found = defaultdict(list)
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, start = path.read_bytes(), 0
        while start < len(data):
            (length,) = struct.unpack_from("<Q", data, start)
            written = event.FromString(data[start + 12 : start + 12 + length])
            start += 16 + length
            for value in written.summary.value:
                found[value.tag].append((written.step, value.simple_value))
    return dict(found)
