"""Stations: the processes that run an emulation's tasks in real time."""
