"""The log of stations while they carry real tasks: a row for each event of a task.

A task passes through its stages, pass after pass (`step`): a message to the stage, then the service there. The result's
way home is the stage after the last, as in the records. A stage has these events, in this order, each logged by the
station at which it happens:

| event | at | meaning |
|---|---|---|
| woke | source | the station turns to the task, whose arrival was due; step 0, stage 0 |
| decided | source | its placement is decided, which takes time; only if it takes any; step 0, stage 0 |
| published | sender | the message to this stage is complete and passed to the socket; `size_bytes`: its size without headers of MQTT, TCP, UDP and IP |
| received | receiver | the whole message has arrived, or as much of it as will |
| decoded | receiver | the input of a partition (or, at the source, the result) is ready |
| started | receiver | the station's one server turns to it |
| loaded | receiver | missing weights would be loaded now; only if some were missing |
| computed | receiver | the partition has run |
| finished | receiver | the service ends: at the model's time, or after the computation if that took longer |

The mark `first token` is beside these: it says when the last partition knows the first output token, at the model's time
or, if that took longer, when the first pass had been computed. It divides no time.

One of FAILURES may replace `started`: it is the reason for which the task ends there.

A stage whose input is at the node already (a source's own layers, the next pass of a model on one device) has no message,
and so no events published, received and decoded. A task ends with its last row. The time between two rows of a task has
one cause each, so that the differences add up to the sojourn.
"""  # noqa: E501  (a row of a table cannot be broken)

import pyarrow as pa

EVENTS = ("woke", "decided", "published", "received", "decoded", "started", "loaded", "computed", "finished")
FAILURES = ("device queue full", "memory", "station error")
MARKS = ("first token",)

_name = pa.dictionary(pa.int32(), pa.string())

# Times are nanoseconds of the trace: CLOCK_MONOTONIC minus the start, as in the relay's log.
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
        ("size_bytes", pa.int64()),  # of the message in the rows published and received; otherwise 0
    ]
)
