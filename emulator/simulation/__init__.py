"""Tasks through devices and links in virtual time.

`simpy_engine` is the definition: one SimPy process per task and one per cell. `compiled_engine` runs the same legs over
the same links, cells and devices in compiled code, and records the same rows (up to a million tasks in flight).
"""

from collections.abc import Sequence
from typing import get_args

from emulator.policy import Compute, EngineName, Policy, Totals
from emulator.record import Records
from emulator.simulation.compiled_engine import CompiledEngine
from emulator.simulation.network import Network
from emulator.simulation.simpy_engine import SimpyEngine, UserProcess
from emulator.system import System


class Simulation:
    """A `Backend`: carries out a policy's decisions in virtual time. Service times come from the profiles, or from
    `compute` if it is given. User `processes` need the SimPy engine, which is then chosen."""

    def __init__(
        self,
        system: System,
        compute: Compute | None = None,
        engine: EngineName | None = None,
        processes: Sequence[UserProcess] = (),
    ) -> None:
        """Raises ValueError for an unknown engine, and for the compiled engine with processes."""
        if engine not in (None, *get_args(EngineName)):
            raise ValueError(f"engine={engine}: must be {' or '.join(get_args(EngineName))}")
        if processes and engine == "compiled":
            raise ValueError("engine=compiled: must be simpy for a run with processes of your own")
        self.system = system
        self.engine: EngineName = engine or ("simpy" if processes else "compiled")
        self._compute = compute
        self._processes = processes

    def run(self, policy: Policy, label: str, records: Records) -> Totals:
        """Run all tasks to their end, recorded under `label`.

        Raises ValueError if a placement of the policy does not assign each layer of the task's model once, in order.
        """
        network = Network(self.system)
        if self.engine == "compiled":
            return CompiledEngine(network, policy, label, records, self._compute).run()
        return SimpyEngine(network, policy, label, records, self._compute, self._processes).run()
