"""Published policies by name, each as its paper states it, with what differs in its docstring."""
