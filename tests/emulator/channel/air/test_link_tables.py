"""Tables of the air interface, compared with published efficiencies, gaps to Shannon's bound, and check sums."""

import numpy as np
import pytest

from emulator.channel.air.block_error import betas
from emulator.channel.air.modulation import cqi_table, mcs_table
from emulator.channel.numerology import peak_rate_bps, prbs
from emulator.channel.radio import Carrier, Direction
from emulator.channel.standard_tables import table

MCS_EFFICIENCIES = {  # TS 38.214 Tables 5.1.3.1-1 to -3
    1: [
        0.2344, 0.3066, 0.377, 0.4902, 0.6016, 0.7402, 0.877, 1.0273, 1.1758, 1.3262, 1.3281, 1.4766, 1.6953,
        1.9141, 2.1602, 2.4062, 2.5703, 2.5664, 2.7305, 3.0293, 3.3223, 3.6094, 3.9023, 4.2129, 4.5234, 4.8164,
        5.1152, 5.332, 5.5547,
    ],
    2: [
        0.2344, 0.377, 0.6016, 0.877, 1.1758, 1.4766, 1.6953, 1.9141, 2.1602, 2.4062, 2.5703, 2.7305, 3.0293,
        3.3223, 3.6094, 3.9023, 4.2129, 4.5234, 4.8164, 5.1152, 5.332, 5.5547, 5.8906, 6.2266, 6.5703, 6.9141,
        7.1602, 7.4062,
    ],
    3: [
        0.0586, 0.0781, 0.0977, 0.125, 0.1523, 0.1934, 0.2344, 0.3066, 0.377, 0.4902, 0.6016, 0.7402, 0.877,
        1.0273, 1.1758, 1.3281, 1.4766, 1.6953, 1.9141, 2.1602, 2.4062, 2.5664, 2.7305, 3.0293, 3.3223, 3.6094,
        3.9023, 4.2129, 4.5234,
    ],
}  # fmt: skip
CQI_EFFICIENCIES = {  # TS 38.214 Tables 5.2.2.1-2 to -4
    1: [
        0.1523, 0.2344, 0.377, 0.6016, 0.877, 1.1758, 1.4766, 1.9141, 2.4062, 2.7305, 3.3223, 3.9023, 4.5234,
        5.1152, 5.5547,
    ],
    2: [
        0.1523, 0.377, 0.877, 1.4766, 1.9141, 2.4062, 2.7305, 3.3223, 3.9023, 4.5234, 5.1152, 5.5547, 6.2266,
        6.9141, 7.4062,
    ],
    3: [
        0.0586, 0.0977, 0.1523, 0.2344, 0.377, 0.6016, 0.877, 1.1758, 1.4766, 1.9141, 2.4062, 2.7305, 3.3223,
        3.9023, 4.5234,
    ],
}  # fmt: skip
GAPS_DB = {  # of the 10 % point at 2000 bits over 10 log10(2^efficiency - 1), by MCS from the first with a value
    1: [
        1.4, 1.0, 1.4, 1.3, 1.3, 1.5, 1.5, 1.7, 1.8, 1.7, 1.8, 1.5, 1.8, 1.7, 2.2, 2.4, 2.1, 2.3, 2.2, 2.3, 2.1,
        2.1, 2.2, 2.3, 2.5, 3.0,
    ],
    2: [
        1.3, 1.4, 1.3, 1.7, 1.7, 1.6, 1.6, 1.8, 1.7, 2.2, 2.2, 2.1, 2.3, 2.2, 2.2, 2.1, 2.1, 2.3, 2.7, 2.4, 2.5,
        2.4, 2.4, 2.5, 2.5,
    ],
    3: [
        1.5, 1.3, 1.1, 1.4, 1.4, 1.3, 1.8, 1.7, 1.6, 1.6, 1.6, 1.8, 2.2, 2.3, 2.2, 2.0, 2.2, 2.3, 2.1, 2.1,
    ],
}  # fmt: skip
FR1_MHZ = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90, 100)
FR1_PRBS = {  # TS 38.101-1 Table 5.3.2-1, by numerology; 0: none
    0: (25, 52, 79, 106, 133, 160, 188, 216, 242, 270, 0, 0, 0, 0, 0),
    1: (11, 24, 38, 51, 65, 78, 92, 106, 119, 133, 162, 189, 217, 245, 273),
    2: (0, 11, 18, 24, 31, 38, 44, 51, 58, 65, 79, 93, 107, 121, 135),
}
FR2_PRBS = {(2, 50): 66, (2, 100): 132, (2, 200): 264, (3, 50): 32, (3, 100): 66, (3, 200): 132, (3, 400): 264}
SUMS_DB = {  # of the 10 % points at 24, 100, 500, 1000, 2000 bits, and of each times its row's number
    1: ((246.5, 4487.4), (195.2, 3433.9), (219.9, 4219.6), (217.2, 4177.6), (216.6, 4167.8)),
    2: ((356.5, 6091.1), (307.1, 5008.5), (316.7, 5418.3), (313.1, 5369.5), (311.9, 5347.0)),
    3: ((159.3, 2273.1), (145.4, 2164.9), (134.4, 2046.3), (132.1, 2017.7), (131.6, 2006.0)),
}
OVERHEADS: list[tuple[float, Direction, float]] = [  # TS 38.306 4.1.2
    (3.5e9, "downlink", 0.14),
    (3.5e9, "uplink", 0.08),
    (28e9, "downlink", 0.18),
    (28e9, "uplink", 0.10),
]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_schemes_have_the_efficiencies_printed_beside_them(number: int) -> None:
    """Four decimals are printed."""
    assert mcs_table(number).efficiency == pytest.approx(MCS_EFFICIENCIES[number], abs=1.001e-4)
    assert cqi_table(number).efficiency == pytest.approx(CQI_EFFICIENCIES[number], abs=1.001e-4)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_tenth_points_have_the_gaps_to_shannon_printed_beside_them(number: int) -> None:
    """Both are printed to 0.1 dB, so they differ by 0.1 at most."""
    rows = table("bler")["tables"][str(number)]
    points_db = [row[-1] for row in rows["snr_db"] if row[-1] is not None]
    efficiency = np.array(MCS_EFFICIENCIES[number])[rows["first_mcs"] :][: len(points_db)]
    assert points_db - 10 * np.log10(2**efficiency - 1) == pytest.approx(GAPS_DB[number], abs=0.1)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_tenth_points_have_their_check_sums(number: int) -> None:
    points_db = np.nan_to_num(np.array(table("bler")["tables"][str(number)]["snr_db"], dtype=np.float64))
    weighed = np.arange(1, len(points_db) + 1) @ points_db
    assert np.stack([points_db.sum(axis=0), weighed], axis=1) == pytest.approx(np.array(SUMS_DB[number]), abs=1e-6)


@pytest.mark.parametrize("mu", [0, 1, 2])
def test_every_bandwidth_below_6_ghz_has_its_resource_blocks(mu: int) -> None:
    for mhz, expected in zip(FR1_MHZ, FR1_PRBS[mu], strict=True):
        carrier = Carrier(3.5e9, mhz * 1e6, mu)
        if expected:
            assert prbs(carrier) == expected
        else:
            with pytest.raises(ValueError, match=r"^carrier.bandwidth_hz="):
                prbs(carrier)


def test_every_bandwidth_of_millimetre_waves_has_its_resource_blocks() -> None:
    assert {(mu, mhz): prbs(Carrier(28e9, mhz * 1e6, mu)) for mu, mhz in FR2_PRBS} == FR2_PRBS


@pytest.mark.parametrize(("carrier_hz", "direction", "overhead"), OVERHEADS)
def test_peak_rates_leave_out_the_overhead(carrier_hz: float, direction: Direction, overhead: float) -> None:
    carrier = Carrier(carrier_hz, 100e6, 2)
    symbols_per_s = 14 * 4000
    whole_bps = 8 * 948 / 1024 * 12 * prbs(carrier) * symbols_per_s
    assert peak_rate_bps(carrier, direction, 8, 1) == pytest.approx((1 - overhead) * whole_bps)


def test_small_blocks_and_betas_have_their_check_sums() -> None:
    """The second sum, weighed by the row, notices two values that changed places."""
    bits = np.array(table("transport_block")["bits"])
    rows = np.arange(1, len(bits) + 1)
    assert [len(bits), int(bits.sum()), int(bits @ rows)] == [93, 104712, 7421968]
    for number, count, total, weighed in ((1, 29, 308.35, 6940.39), (2, 28, 996.01, 22820.73)):
        each = betas(number)
        assert len(each) == count
        assert each.sum() == pytest.approx(total, abs=1e-6)
        assert each @ np.arange(1, count + 1) == pytest.approx(weighed, abs=1e-6)
