"""Run the relay process at the other end of the control socket whose descriptor is the only argument."""

import sys

from emulator.realtime.relay.process import main

main(int(sys.argv[1]))
