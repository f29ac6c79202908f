"""Many systems side by side in compiled code, each run from one decision to the next.

A decision is due when a task arrives. What decides is outside: `SteppedSystems.step` places the observed tasks and runs
each system until its next one. The runs are those of `emulator.simulation`, event by event.
"""
