"""The radio channel: from geometry and fading to bits per slot."""

from emulator.channel.settings import ChannelSettings
from emulator.channel.walk import generate

__all__ = ["ChannelSettings", "generate"]
