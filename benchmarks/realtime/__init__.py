"""What emulation in real time does on this machine, beside what it should do: `make bench-realtime`, as root."""
