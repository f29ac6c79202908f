"""Exact optima of placement problems: arrays of costs in, one `Solution` out."""
