"""Transport block size and segmentation into code blocks, in the standard's integer arithmetic."""

from typing import NamedTuple

from emulator.channel.numerology import SUBCARRIERS
from emulator.channel.standard_tables import table

MAX_ELEMENTS = 156  # per resource block: TS 38.214 5.1.3.2
SMALL_BITS = 3824  # blocks up to this size are those of Table 5.1.3.2-1
RATE_ONE = 2048  # code rates are multiples of 1/2048
MAX_LAYERS = 4  # of one code word: TS 38.211 Table 7.3.1.3-1


class Segments(NamedTuple):
    """The code blocks of a transport block: their number, and the bits of each, including its CRC."""

    blocks: int
    bits: int


def resource_elements(prbs: int, symbols: int, dmrs_re: int, overhead_re: int) -> int:
    """Return the resource elements that carry a block's bits (TS 38.214 5.1.3.2, step 1)."""
    return max(0, min(MAX_ELEMENTS, SUBCARRIERS * symbols - dmrs_re - overhead_re)) * prbs


def tbs_bits(elements: int, modulation_order: int, rate_2048: int, layers: int) -> int:
    """Return the exact transport block size (TS 38.214 5.1.3.2, steps 2 to 4); ties round up. 0 without elements."""
    if not 1 <= layers <= MAX_LAYERS:
        raise ValueError(f"layers={layers}: must be 1 to {MAX_LAYERS}, those of one code word")
    info = elements * modulation_order * layers * rate_2048  # x 2048
    if info <= 0:
        return 0
    if info <= SMALL_BITS * RATE_ONE:
        step = 1 << max(3, _log2(info) - 6)
        wanted = max(24, info // (step * RATE_ONE) * step)
        return next(int(bits) for bits in table("transport_block")["bits"] if bits >= wanted)
    beyond = info - 24 * RATE_ONE
    step = 1 << (_log2(beyond) - 5)
    wanted = max(3840, (2 * beyond + step * RATE_ONE) // (2 * step * RATE_ONE) * step)
    count = 1
    if 4 * rate_2048 <= RATE_ONE:
        count = -(-(wanted + 24) // 3816)
    elif wanted > 8424:
        count = -(-(wanted + 24) // 8424)
    return 8 * count * -(-(wanted + 24) // (8 * count)) - 24


def segments(bits: int, rate_2048: int) -> Segments:
    """Return the code blocks of a transport block (TS 38.212 5.2.2; base graph by 7.2.2, CRC by 7.2.1)."""
    with_crc = bits + (24 if bits > SMALL_BITS else 16)
    small_graph = bits <= 292 or (bits <= SMALL_BITS and 100 * rate_2048 <= 67 * RATE_ONE) or 4 * rate_2048 <= RATE_ONE
    largest = 3840 if small_graph else 8448
    if with_crc <= largest:
        return Segments(1, with_crc)
    count = -(-with_crc // (largest - 24))
    return Segments(count, -(-(with_crc + 24 * count) // count))


def _log2(info: int) -> int:
    """Return floor(log2(info / 2048)) for info >= 2048, else 0, which is exact enough for the maxima above."""
    return max(1, info // RATE_ONE).bit_length() - 1
