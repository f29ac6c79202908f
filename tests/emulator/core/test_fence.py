"""The fence between rows and their count is in the machine code."""

import re

import numba

from emulator.core.compiled import Table, memory_fence


def test_the_compiler_keeps_a_fence_between_two_stores() -> None:
    @numba.njit("void(int64[::1])")
    def publish(table: Table) -> None:
        table[0] = 11
        memory_fence()
        table[1] = 12

    (code,) = publish.inspect_llvm().values()
    assert re.search(r"store i64 11,.*\n\s*fence acq_rel\n(.*\n)*?\s*store i64 12,", code)
