"""Lines that tcpdump prints become a table of packets with the columns of Wireshark's export.

A packet's size is the first length on its line: the frame's with `-e`, the IP packet's with `-v`, else the payload's.
"""

import csv
import io
import re

from emulator.trace.formats.text import RecordingText

COLUMNS = ("Time", "Source", "Destination", "Length")
STAMP = r"\d\d:\d\d:\d\d\.\d+"
PACKET = re.compile(rf"\s*(?P<time>\d{{4}}-\d\d-\d\d {STAMP}|{STAMP}|\d+\.\d{{6,9}})\s+(?P<rest>\S.*)")
LENGTH = re.compile(r"\blength:? (\d+)|\((\d+)\)$")
ENDS = re.compile(r"(\S+) > (\S+):(?=\s)")
ADDRESS = re.compile(r"(?P<address>(\d+\.){3}\d+|[0-9a-fA-F:]*:[0-9a-fA-F:]+?)(\.\w+)?")
NOTE = "read as the lines of tcpdump: sizes are the lengths that they show first (the payload's without -e or -v)"


def packet_table(recording: RecordingText) -> RecordingText:
    """Return a table, a row for each line of the text, if its first line is one of tcpdump's; else the text as it is.
    Lines without a time or a length become blank rows."""
    first = next((line for line in recording.text.splitlines() if line.strip()), "")
    if not ((packet := PACKET.fullmatch(first)) and LENGTH.search(packet["rest"])):
        return recording
    table = io.StringIO()
    table.write(",".join(COLUMNS))
    writer = csv.writer(table, lineterminator="")
    for line in recording.text.splitlines():
        table.write("\n")
        if (packet := PACKET.fullmatch(line)) and (length := LENGTH.search(packet["rest"])):
            ends = ENDS.search(packet["rest"])
            source, destination = map(_address, ends.groups()) if ends else ("", "")
            writer.writerow([packet["time"], source, destination, length[1] or length[2]])
    return recording._replace(text=table.getvalue(), notes=(*recording.notes, NOTE))


def _address(end: str) -> str:
    """Return an end of a packet without its port."""
    found = ADDRESS.fullmatch(end)
    return found["address"] if found else end
