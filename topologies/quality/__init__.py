"""Measurement of what a coarse or damaged activation costs in quality, and its tables. `tables` imports no torch."""
