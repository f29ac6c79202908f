"""Who decides: policies, exact optima, environments and the agents trained in them."""
