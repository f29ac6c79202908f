"""Measure emulation in real time on this machine against what it should be: `make bench-realtime`, as root."""
