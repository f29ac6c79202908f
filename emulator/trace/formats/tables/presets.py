"""Maps of families of tables that many people have, with the units of their documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from emulator.trace.formats.tables.columns import CsvColumns

# While the app pings, every 14 s, it does not measure the download (issue 2 of the dataset of Raca et al.): the rate
# falls to about 0 from one second before the ping's row to two seconds after it.
G_NETTRACK = CsvColumns(
    time="Timestamp",
    time_format="%Y.%m.%d_%H.%M.%S",
    rate="DL_bitrate",
    rate_unit="kbit/s",
    paused_by=("PINGAVG", "PINGLOSS"),
    pause_s=(1.0, 2.0),
)

PRESETS: Mapping[str, CsvColumns] = {
    # SIGCOMM'21 "A Variegated Look at 5G in the Wild", merged logs. Uplink runs start with a spike of one or two
    # seconds while the socket's buffer fills. While NR is not connected, the radio columns are LTE's or outdated.
    "sigcomm21": CsvColumns(
        time="time_since_start",
        rate="Throughput",
        keep={"speed_mps": "movingSpeed"},
        skip_s=3.0,
        skip_where={"direction": "uplink"},
        nr_where={"nrStatus": "CONNECTED"},
        radio={"rsrp_dbm": "nr_ssRsrp", "sinr_db": "nr_ssSinr"},
    ),
    # Raca et al., "Beyond Throughput, The Next Generation", MMSys 2020, recorded by G-NetTrack Pro.
    "uccmisl": replace(
        G_NETTRACK,
        nr_where={"NetworkMode": "5G"},
        radio={"rsrp_dbm": "RSRP", "rsrq_db": "RSRQ", "sinr_db": "SNR", "cqi": "CQI", "rssi_dbm": "RSSI"},
    ),
    # G-NetTrack's own log, separated by tabs, with its own names: Level and Qual are RSRP and RSRQ.
    "gnettrack": replace(G_NETTRACK, keep={"rsrp_dbm": "Level", "rsrq_db": "Qual", "sinr_db": "SNR"}),
    # srsRAN 4G, file of srsUE (`metrics_csv`): time in ms, rates in bit/s, a row for each carrier, `#eof` at its end.
    "srsue": CsvColumns(
        time="time",
        time_unit="ms",
        rate="dl_brate",
        rate_unit="bit/s",
        where={"cc": "0"},
        keep={"rsrp_dbm": "rsrp", "sinr_db": "dl_snr"},
    ),
    # srsRAN 4G, file of srsENB: time in s, rates of all UEs together.
    "srsenb": CsvColumns(time="time", rate="dl_brate", rate_unit="bit/s", keep={"ues": "nof_ue"}),
    # Wireshark, "Export packet dissections as CSV", with its default columns; and tshark -T fields -E header=y.
    "wireshark": CsvColumns(time="Time", rate="Length", rate_unit="B/packet"),
    "tshark": CsvColumns(time="frame.time_epoch", rate="frame.len", rate_unit="B/packet"),
    "tshark-relative": CsvColumns(time="frame.time_relative", rate="frame.len", rate_unit="B/packet"),
}


def preset_of(header: Sequence[str]) -> str | None:
    """Return the name of the first preset all of whose columns a header has."""
    for name, preset in PRESETS.items():
        if {*preset.required, *preset.where} <= set(header):
            return name
    return None
