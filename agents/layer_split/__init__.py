"""LayerSplit: where a language model is cut in two, if what crosses the cut is lost or noisy (Chen et al., "Adaptive
layer splitting for wireless LLM inference in edge computing: a model-based RL approach", FITEE 26(2), 2025, arXiv
2406.02616)."""
