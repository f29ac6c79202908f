"""Actor-critic learning: networks, PPO, A3C and their settings."""
