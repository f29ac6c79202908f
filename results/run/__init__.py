"""The folder of a run, and what is stored in it."""
