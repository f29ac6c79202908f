"""Learned and fixed policies on the block placement problem, beside its optimum and the published margins."""
