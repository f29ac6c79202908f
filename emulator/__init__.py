"""How a split network behaves: time, traces, links, devices, tasks and the simulation of them."""
