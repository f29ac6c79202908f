"""A scenario for Mininet's own command, run by the environment's Python:

python /usr/bin/mn --custom topologies/mn.py --topo airsplit,scenario=topologies/quickstart.yaml
"""

from topologies.mininet.nodes import TraceLink
from topologies.mininet.topology import ScenarioTopo
from topologies.mn_command import from_command_line

__all__ = ["ScenarioTopo", "TraceLink", "topos"]

topos = {"airsplit": from_command_line}  # `mn` looks for this name; it ignores `links`
