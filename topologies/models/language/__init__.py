"""Causal language models: their architectures, files and tokenizers. Modules that simulations need import no torch."""
