"""Make a policy from its type and options."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents.baselines import AllDevice, AllEdge, FixedSplit, Greedy, Random, Replay, Split, load_decisions
from agents.foreign.best_choice import BestChoice
from agents.online.cusum_ucb import CusumUcb
from agents.online.linucb import LinUcb
from agents.published.block_baselines import EvenSplit, RandomBlocks
from agents.published.dads import Dads
from agents.published.edgent import Edgent
from agents.published.neurosurgeon import Neurosurgeon
from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.exact import ExactOnLastMeasurement
from agents.split_inference.learned import Learned
from agents.split_inference.solver_policies import DeviceSubsets, MinCut, SingleCut, Viterbi
from agents.user_errors import import_failure, in_one_line
from emulator.core.units import NS_PER_S, ns_from_ms
from emulator.ended_task import EndedTask
from emulator.policy import Hear, Observation, Policy, hear_of
from emulator.system import System
from emulator.task import Partition, Placement, check_placement
from topologies.schema.policies import CusumUcbSection, LinUcbSection, NeurosurgeonSection
from topologies.user_modules import load_class


def make_policy(
    kind: str,
    options: Mapping[str, Any],
    system: System,
    checkpoint: Checkpoint | None = None,
    folder: Path = Path(),
) -> Policy:
    """Make a policy of type random, all-device, all-edge, greedy, exact, single-cut, min-cut, viterbi, device-subsets,
    dads, edgent, even-split, random-blocks, neurosurgeon, linucb, cusum-ucb, onnx or sb3 (options: those of their
    sections in `topologies.schema.policies`), fixed (option `splits`: kind to {cut, node}, perhaps with codec), replay
    (option `file`), ppo, a2c or a3c (with a checkpoint, perhaps `decision_ms`), or a user's class `module:Class`,
    called with the options as keyword arguments. Its module is found beside the scenario, in `folder`, or where Python
    looks.

    Raises ValueError (one line) for an invalid type, option or checkpoint.
    """
    makers: dict[str, Callable[[], Policy]] = {
        "random": lambda: Random(system.seed),
        "all-device": AllDevice,
        "all-edge": lambda: AllEdge(system),
        "greedy": Greedy,
        "exact": ExactOnLastMeasurement,
        "single-cut": SingleCut,
        "min-cut": MinCut,
        "viterbi": lambda: Viterbi(system),
        "device-subsets": lambda: DeviceSubsets(system),
        "fixed": lambda: FixedSplit({name: _split(each) for name, each in options["splits"].items()}),
        "dads": Dads,
        "edgent": Edgent,
        "even-split": lambda: EvenSplit(system),
        "random-blocks": lambda: RandomBlocks(system),
        "neurosurgeon": lambda: Neurosurgeon(system, NeurosurgeonSection(type="neurosurgeon", **options).objective),
        "linucb": lambda: _linucb(LinUcbSection(type="linucb", **options), system),
        "cusum-ucb": lambda: _cusum_ucb(CusumUcbSection(type="cusum-ucb", **options), system),
        "replay": lambda: _replay(Path(options["file"])),
        "ppo": lambda: _learned(kind, options, system, checkpoint),
        "a2c": lambda: _learned(kind, options, system, checkpoint),
        "a3c": lambda: _learned(kind, options, system, checkpoint),
        "onnx": lambda: _onnx(options, system),
        "sb3": lambda: _stable_baselines(options, system),
    }
    if kind in makers:
        return makers[kind]()
    if ":" in kind:
        return _user_policy(kind, options, system, folder)
    raise ValueError(f"type={kind}: must be {', '.join(makers)} or module:Class")


def _split(options: Mapping[str, Any]) -> Split:
    return Split(options["cut"], options["node"], options.get("codec") or "")


def _linucb(section: LinUcbSection, system: System) -> Policy:
    return LinUcb(system, section.alpha, section.discount, section.ridge)


def _cusum_ucb(section: CusumUcbSection, system: System) -> Policy:
    return CusumUcb(
        system.seed, section.exploration, section.random_share, section.prior, section.drift, section.threshold
    )


def _learned(kind: str, options: Mapping[str, Any], system: System, checkpoint: Checkpoint | None) -> Policy:
    if checkpoint is None:
        raise ValueError(f"type={kind}: must have a checkpoint")
    if checkpoint.training.agent != kind:
        raise ValueError(f"type={kind}: must have a checkpoint of {kind}, not of {checkpoint.training.agent}")
    return Learned(checkpoint, system, ns_from_ms(options.get("decision_ms", 0.0)))


def _onnx(options: Mapping[str, Any], system: System) -> Policy:
    from agents.foreign.onnx_network import load_network

    file = Path(options["file"])
    return BestChoice(file, load_network(file, options, system), system.control, ns_from_ms(options["decision_ms"]))


def _stable_baselines(options: Mapping[str, Any], system: System) -> Policy:
    from agents.foreign.stable_baselines_model import load_model

    file = Path(options["file"])
    return BestChoice(file, load_model(file, options, system), system.control, ns_from_ms(options["decision_ms"]))


def _replay(path: Path) -> Policy:
    return Replay(load_decisions(path), path)


class UserPolicy:
    """Wraps a user's own policy: checks its decisions, and turns its errors into one line."""

    def __init__(self, kind: str, policy: Policy, system: System) -> None:
        self._kind, self._policy = kind, policy
        self.decision_ns = _decision_ns(kind, policy)
        self._heard = _hear(kind, policy)
        self.hear = self._pass_on if self._heard else None
        self._nodes = {node.name for node in system.nodes.values() if node.device is not None}

    def _pass_on(self, ended: EndedTask) -> None:
        """Tell the policy of a task that has ended. Raises ValueError if the policy raises anything."""
        assert self._heard is not None
        try:
            self._heard(ended)
        except (Exception, SystemExit) as error:  # the user's code can raise anything
            raise ValueError(f"type={self._kind}: hear raised {in_one_line(error)}") from error

    def decide(self, observation: Observation) -> Placement:
        """Return the policy's decision. Raises ValueError if the policy raises anything, or does not return a tuple of
        `Partition` that covers the task's model on nodes that can compute."""
        try:
            placement: object = self._policy.decide(observation)
        except (Exception, SystemExit) as error:  # the user's code can raise anything; the message names its class
            raise ValueError(f"type={self._kind}: decide raised {in_one_line(error)}") from error
        rule = f"type={self._kind}: decide must return"
        if not isinstance(placement, tuple) or not all(_is_partition(part) for part in placement):
            found = " ".join(repr(placement).split())[:80]
            raise ValueError(f"{rule} a tuple of Partition(node, first, stop, codec), such as a candidate, not {found}")
        try:
            check_placement(placement, observation.task.kind)
        except ValueError as error:
            raise ValueError(f"{rule} a whole placement ({error})") from error
        for part in placement:
            if part.node not in self._nodes:
                raise ValueError(f"{rule} nodes that can compute, not {part.node}")
        return placement


def _user_policy(kind: str, options: Mapping[str, Any], system: System, folder: Path) -> Policy:
    try:
        policy = load_class(kind, folder)(**options)
    except (Exception, SystemExit) as error:  # the user's code can raise anything
        rule = "must be a class that can be imported and made"
        raise ValueError(f"type={kind}: {rule} ({import_failure(kind, error)})") from error
    if not callable(getattr(policy, "decide", None)):
        raise ValueError(f"type={kind}: must have a method decide(observation)")
    return UserPolicy(kind, policy, system)


def _decision_ns(kind: str, policy: Policy) -> int:
    decision_ns: object = getattr(policy, "decision_ns", 0)
    if isinstance(decision_ns, bool) or not isinstance(decision_ns, int) or not 0 <= decision_ns <= NS_PER_S:
        raise ValueError(f"type={kind}: decision_ns={decision_ns!r}: must be a whole number from 0 to {NS_PER_S}")
    return decision_ns


def _hear(kind: str, policy: Policy) -> Hear | None:
    hear: object = hear_of(policy)
    if hear is not None and not callable(hear):
        raise ValueError(f"type={kind}: hear={hear!r}: must be a method hear(ended)")
    return hear


def _is_partition(part: object) -> bool:
    if not isinstance(part, Partition) or not isinstance(part.node, str) or not isinstance(part.codec, str):
        return False
    return type(part.first) is type(part.stop) is int
