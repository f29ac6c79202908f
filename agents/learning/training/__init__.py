"""A training from its first update to its last: loop, curve, stored state, validation and observers."""
