"""Custom topologies for Mininet's command `mn`, to be run by the Python of this environment:

python /usr/bin/mn --custom topologies/mn.py --topo airsplit,scenario=topologies/quickstart.yaml
"""

from topologies.mininet.nodes import TraceLink
from topologies.mininet.topology import ScenarioTopo
from topologies.mn_command import from_command_line

__all__ = ["ScenarioTopo", "TraceLink", "topos"]

topos = {"airsplit": from_command_line}  # `mn` looks up this name; it has none for links
