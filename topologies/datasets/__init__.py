"""Data sets that packages of the system bring, read with NumPy alone."""
