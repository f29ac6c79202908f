"""The radio channel: from geometry and fading to bits per slot."""

from emulator.channel.generate import generate
from emulator.channel.settings import ChannelSettings

__all__ = ["ChannelSettings", "generate"]
