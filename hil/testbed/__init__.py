"""The testbed: a coordinator that runs partitions on real workers."""
