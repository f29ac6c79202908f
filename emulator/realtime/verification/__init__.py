"""Verification: compare the relay log with the link model."""
