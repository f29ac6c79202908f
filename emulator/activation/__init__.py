"""Activations on the wire: how they are encoded, which parts get lost, and what fills the gaps."""
