"""Probing: measure each link with real packets before a run."""
