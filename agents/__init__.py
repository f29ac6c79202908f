"""Policies, exact optima, environments, and agents that are trained in them."""
