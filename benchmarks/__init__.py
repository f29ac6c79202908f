"""Speed as a ratio to peers that run in the same process and take turns with airsplit: `make bench`."""
