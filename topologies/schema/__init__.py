"""Pydantic models of the scenario file."""
