"""Stations: the processes that carry out an emulation's tasks in real time."""
