"""Policies that learn while they run, from the tasks that have ended."""
