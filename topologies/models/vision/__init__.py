"""Convolutional networks for images: the published ones with drawn weights, and those with trained weights."""
