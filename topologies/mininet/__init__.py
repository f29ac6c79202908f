"""Mininet networks of scenarios."""
