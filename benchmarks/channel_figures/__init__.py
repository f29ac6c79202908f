"""Figures of the channel model against closed forms, shown in docs/emulator-channel.md.

    python -m benchmarks.channel_figures docs/channel

Points are simulated and stand in their 95 % intervals; lines are closed forms. The laws, and the ways to sample, are
those that the tests of the channel hold it to.
"""
