"""Real packets through the links of a scenario: the relay, its log, and how far it was from the schedule."""
