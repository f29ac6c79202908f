"""A scenario as a Mininet network."""
