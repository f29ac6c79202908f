"""What everything stands on: units, files, randomness, compiled tables."""
