"""What stations write down while they carry real tasks: a row for each thing that happens to one, and when.

A task goes through its stages, pass after pass (`step`): the message on its way to a stage, then the service there.
The way of the result home is the stage after the last, as in the records. What happens, in this order, each by the
station at which it does:

| event | at | meaning |
|---|---|---|
| woke | source | it turns to the task, whose arrival was due; step 0, stage 0 |
| published | sender | the message to this stage is made, and now handed to the socket; `size_bytes`: all of it, headers of its own included, those of MQTT, TCP, UDP and IP not |
| received | receiver | the whole message is there, or as much of it as will come |
| decoded | receiver | it is what a partition (or, of a result, the source) can use |
| started | receiver | the station's one server turns to it |
| loaded | receiver | weights that were not there would be now; only where some were missing |
| computed | receiver | the partition has run |
| finished | receiver | its time is up: that of the model, or of the computing where that took longer |

Instead of `started`, one of FAILURES may come: the task ends there, and that is its reason.

What stays at a node (a source's own layers, the next pass of a model that is in one place) has no message and so none
of published, received and decoded. A task is done with the last of its rows. From one row to the next of a task
every nanosecond belongs to one thing, so that the differences add up to the sojourn.
"""  # noqa: E501  (a row of a table cannot be broken)

import pyarrow as pa

EVENTS = ("woke", "published", "received", "decoded", "started", "loaded", "computed", "finished")
FAILURES = ("device queue full", "memory", "station error")

_name = pa.dictionary(pa.int32(), pa.string())

# Times are nanoseconds of the trace: CLOCK_MONOTONIC less the start, as in the relay's log of packets.
STATION_EVENTS = pa.schema(
    [
        ("node", _name),
        ("source", _name),
        ("kind", _name),
        ("task", pa.int64()),
        ("step", pa.int32()),
        ("stage", pa.int16()),
        ("event", _name),
        ("at_ns", pa.int64()),
        ("size_bytes", pa.int64()),  # of a message when it is published and when it is received; otherwise 0
    ]
)
