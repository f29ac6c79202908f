"""Neural networks as chains of layers that can be cut anywhere. Importing `chain` or `registry` imports torch."""
