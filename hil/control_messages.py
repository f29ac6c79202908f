"""The control messages between coordinator and workers (compact JSON of integers and short texts) and their topics."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args, get_origin, get_type_hints

from emulator.activation.codecs import CODECS
from hil import codec, deployment
from hil.errors import Malformed

TOPIC_ROOT = "airsplit"
STATUS_TOPICS = f"{TOPIC_ROOT}/status/+"
ONLINE, OFFLINE = "online", "offline"
NO_MEMORY = "memory"  # the error of a worker that has no room for the weights
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_TEXT_LENGTH = 500
MAX_SETTINGS_LENGTH = 2**16
MAX_INT = 2**63 - 1
MAX_CONTROL_BYTES = 256 * 2**10
MAX_LAYERS = 4_096
MAX_STAGES = 64
MAX_CHUNKS = 1_024
MAX_TOKENS = 16_384
DAY_NS = 86_400 * 10**9
# What a message may state at most, by field: every size and count that its receiver would allocate, repeat or add up.
LIMITS: Mapping[str, int] = {
    **dict.fromkeys(("layer", "first", "stop", "stage"), MAX_LAYERS),
    **dict.fromkeys(("service_ns", "decode_ns", "encode_ns", "layer_ns"), DAY_NS),
    "tokens": MAX_TOKENS,
    "repeats": 100,
    "size": MAX_CHUNKS * deployment.WEIGHT_CHUNK_BYTES,
    "missing": MAX_CHUNKS - 1,
    "payload_bytes": codec.MAX_MESSAGE_BYTES,
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def status_topic(worker: str) -> str:
    """Return the topic of a worker's retained status and of its last will."""
    return f"{TOPIC_ROOT}/status/{worker}"


def worker_topic(worker: str) -> str:
    """Return the topic that a worker subscribes to: orders, chunks, activations."""
    return f"{TOPIC_ROOT}/worker/{worker}"


def ping_topic(worker: str) -> str:
    """Return the topic that a worker answers at once, also while it computes: pings."""
    return f"{TOPIC_ROOT}/ping/{worker}"


def coordinator_topic(run: int) -> str:
    """Return the topic that the coordinator of a run subscribes to: replies, reports, results."""
    return f"{TOPIC_ROOT}/coordinator/{run}"


def check_name(worker: str) -> None:
    """Raise Malformed unless a worker's name can be one level of a topic."""
    if not NAME.fullmatch(worker):
        raise Malformed(f"name={worker!r}: must be 1 to 64 letters, digits, and any of _ . - after the first")


def one_line(error: Exception) -> str:
    """Return the text of an error as a message may carry it."""
    return " ".join(str(error).split())[:MAX_TEXT_LENGTH]


@dataclass(frozen=True)
class Status:
    """A worker's retained state. `incarnation` changes with each start, `malformed` counts dropped messages."""

    worker: str
    incarnation: int
    state: str
    malformed: int = 0
    version: str = ""
    python: str = ""
    torch: str = ""
    cpu: str = ""
    torch_threads: int = 0
    clock: str = ""
    memory_bytes: int = 0

    def __post_init__(self) -> None:
        check_name(self.worker)


@dataclass(frozen=True)
class Ping:
    """To a worker, on its `ping_topic`: is it there? Answered by Pong on the `coordinator_topic` of `run`."""

    run: int


@dataclass(frozen=True)
class Pong:
    """From a worker: it is there, and so is all that it was sent since this incarnation began."""

    run: int
    worker: str
    incarnation: int


@dataclass(frozen=True)
class Stage:
    """A partition on a worker: layers `first` up to, not including, `stop`. `codec` encodes the activation that they
    take; empty where they take the task's input."""

    worker: str
    first: int
    stop: int
    codec: str

    def __post_init__(self) -> None:
        check_name(self.worker)
        if self.first and self.codec not in CODECS:
            raise Malformed(f"Stage.codec={self.codec!r}: must be one of {', '.join(CODECS)}")


@dataclass(frozen=True)
class Prepare:
    """To a worker: layers of this model will follow. Has no reply.

    `settings`: of a language model that is not shipped, the JSON of its config.json; else empty. `dtype`: the precision
    of its weights.
    """

    run: int
    model: str
    settings: str = ""
    dtype: str = "fp32"


@dataclass(frozen=True)
class Offer:
    """To a worker: a layer's weights will follow, `size` bytes with the SHA-256 `digest` (hex). Answered by Holding."""

    run: int
    model: str
    seed: int
    layer: int
    digest: str
    size: int

    def __post_init__(self) -> None:
        if not DIGEST.fullmatch(self.digest):
            raise Malformed(f"Offer.digest={self.digest!r}: must be 64 hexadecimal digits")


@dataclass(frozen=True)
class Holding:
    """From a worker: the indices of the chunks that it lacks. Without any, and without an `error`, the layer is loaded;
    with an `error` the layer is refused, whatever is missing."""

    run: int
    worker: str
    digest: str
    missing: tuple[int, ...]
    error: str = ""


@dataclass(frozen=True)
class Plan:
    """To each worker of a placement: all stages. Answered by Ready."""

    run: int
    plan: int
    model: str
    seed: int
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if len(self.stages) > MAX_STAGES:
            raise Malformed(f"Plan.stages: {len(self.stages)}: must be at most {MAX_STAGES}")


@dataclass(frozen=True)
class Ready:
    """From a worker: its stages of a plan are warmed up, or the `error` that prevents it."""

    run: int
    worker: str
    plan: int
    error: str = ""


@dataclass(frozen=True)
class Measure:
    """To a worker: time each of these layers separately in a pass of `tokens` tokens. Answered by Measured."""

    run: int
    model: str
    seed: int
    first: int
    stop: int
    tokens: int
    repeats: int

    def __post_init__(self) -> None:
        if self.tokens * self.repeats > MAX_TOKENS:
            raise Malformed(f"Measure.repeats={self.repeats}: must be at most {MAX_TOKENS} tokens in all")


@dataclass(frozen=True)
class Measured:
    """From a worker: the median time of each layer, or the `error` that prevented the measurement."""

    run: int
    worker: str
    model: str
    first: int
    tokens: int
    layer_ns: tuple[int, ...]
    error: str = ""


@dataclass(frozen=True)
class Start:
    """To the first worker of a plan: run stage 0 on the token ids `prompt`, or if it is empty on an input drawn from
    `seed`."""

    run: int
    task: int
    attempt: int
    plan: int
    seed: int
    tokens: int
    deadline_ns: int
    prompt: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.prompt and len(self.prompt) != self.tokens:
            raise Malformed(f"Start.prompt: must be {self.tokens} tokens")


@dataclass(frozen=True)
class Text:
    """To the last worker of a plan, before Start: the token ids of the task's text, for whose likelihood its Report has
    room."""

    run: int
    task: int
    attempt: int
    prompt: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """From a worker: a stage has run and its output has been sent, or the `error` that prevented it. `service_ns` is
    the computation alone, without decoding the input and encoding the output. Stage 0 draws its input: `decode_ns` is
    then the time to draw it. `text_nnat`: the mean negative log-likelihood of the tokens of the task's Text but the
    first, in 1e-9 nats; 0 without a Text, and for other stages than the last."""

    run: int
    worker: str
    task: int
    attempt: int
    stage: int
    service_ns: int
    decode_ns: int
    encode_ns: int
    payload_bytes: int
    text_nnat: int = 0
    error: str = ""


ControlMessage = (
    Status | Ping | Pong | Prepare | Offer | Holding | Plan | Ready | Measure | Measured | Start | Text | Report
)
AnyMessage = ControlMessage | codec.Tensor | codec.Chunk

_TYPES: dict[str, type[ControlMessage]] = {kind.__name__: kind for kind in get_args(ControlMessage)}
_FIELDS: dict[Any, dict[str, Any]] = {kind: get_type_hints(kind) for kind in (*_TYPES.values(), Stage)}


def encode(message: ControlMessage) -> bytes:
    """Return compact JSON; the key `is` holds the message's class name. Raises Malformed for a value beyond its
    limit."""
    _check_limits(message)
    return json.dumps({"is": type(message).__name__, **asdict(message)}, separators=(",", ":")).encode()


def decode(payload: bytes) -> AnyMessage:
    """Return a message of any type, binary or control. Raises Malformed unless it has exactly its type's fields, each
    of the right type and within its limit (`LIMITS`)."""
    if codec.is_binary(payload):
        return codec.decode(payload)
    if len(payload) > MAX_CONTROL_BYTES:
        raise Malformed(f"message: {len(payload)} bytes: must be at most {MAX_CONTROL_BYTES}")
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"message: must be JSON: {error}") from error
    name = content.pop("is", None) if isinstance(content, dict) else None
    kind = _TYPES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Malformed("message: must name its kind")
    message: ControlMessage = _value(content, kind, kind.__name__)
    return message


def _value(value: Any, kind: Any, path: str) -> Any:
    """Return `value` as `kind`: an integer from 0, a text, a tuple, or a dataclass of these."""
    if kind is int and type(value) is int and 0 <= value <= MAX_INT:
        return value
    most = MAX_SETTINGS_LENGTH if path.endswith(".settings") else MAX_TEXT_LENGTH
    if kind is str and isinstance(value, str) and len(value) <= most:
        return value
    longest = MAX_TOKENS if path.endswith(".prompt") else MAX_LAYERS
    if get_origin(kind) is tuple and isinstance(value, list) and len(value) <= longest:
        return tuple(_value(item, get_args(kind)[0], path) for item in value)
    if kind in _FIELDS and isinstance(value, dict):
        types_ = _FIELDS[kind]
        if value.keys() != types_.keys():
            raise Malformed(f"{path}: must have the fields {', '.join(types_)}")
        fields = {name: _value(item, types_[name], f"{path}.{name}") for name, item in value.items()}
        made = kind(**fields)
        _check_limits(made)
        return made
    raise Malformed(f"{path}: must be {kind}")


def _check_limits(message: Any) -> None:
    for name, value in vars(message).items():
        limit = LIMITS.get(name)
        if limit is not None and any(each > limit for each in (value if isinstance(value, tuple) else (value,))):
            raise Malformed(f"{type(message).__name__}.{name}: must be at most {limit}")
