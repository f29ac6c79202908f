"""Measured ratios against peers that run beside airsplit in the same process: `make bench`."""
