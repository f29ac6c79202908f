"""Real packets over the links of a scenario in real time: the relay, its log, and their verification."""
