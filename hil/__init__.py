"""Real hosts: broker, workers and the coordinator that runs partitions of real models on them."""
