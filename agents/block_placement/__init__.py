"""Which block of a network runs where: the problem of Li et al., IEEE TMC 23(10), 2024 (MT-A3C)."""
