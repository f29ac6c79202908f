"""LayerSplit: agents against the optimum, and what the measured losses say of the best split."""
