"""The radio channel: from geometry and fading to bits per slot."""

import emulator.channel.generate  # noqa: F401  # loaded first, so that the name below stays the function's
from emulator.channel.settings import ChannelSettings
from emulator.channel.walk import generate

__all__ = ["ChannelSettings", "generate"]
