"""The scenario file: its sections and their rules."""
