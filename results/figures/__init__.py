"""Figures of runs, traces and fits."""
