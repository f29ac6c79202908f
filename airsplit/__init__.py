"""Where should each part of a neural network run when devices and servers are joined by a 5G link?"""
