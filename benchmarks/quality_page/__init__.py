"""The shipped quality tables, and the figures of the documentation's page on quality, from one command."""
