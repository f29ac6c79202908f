"""Policies whose networks other libraries have trained on the project's environments."""
