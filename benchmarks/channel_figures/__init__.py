"""Figures of the channel model against closed forms, shown in docs/emulator-channel.md.

    python -m benchmarks.channel_figures docs/channel

Points are simulated, with 95 % intervals; lines are closed forms. Closed forms and sampling are shared with the tests
of the channel.
"""
