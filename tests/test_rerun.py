"""Which runs `airsplit rerun` refuses to repeat."""

from dataclasses import replace

import pytest

from airsplit.rerun import require_repeatable
from emulator.system import Failure
from tests.emulator.systems import pairs

FAILING = replace(pairs(1), failures=(Failure(node="edge1", outages=((0, 1),)),), on_failure="retry")


def test_measured_times_of_interrupted_tasks_cannot_be_repeated() -> None:
    with pytest.raises(
        ValueError, match=r"^scenario\.yaml: failures\.on_failure=retry: must be wait to repeat a run of"
    ):
        require_repeatable("hil", FAILING)
    require_repeatable("sim", FAILING)
    require_repeatable("hil", replace(FAILING, on_failure="wait"))
    require_repeatable("hil", replace(FAILING, failures=()))
