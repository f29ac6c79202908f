"""What is emulated: the scenario file, its models and their profiles."""
