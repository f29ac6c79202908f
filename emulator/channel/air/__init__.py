"""The air interface: blocks, modulation and coding, link adaptation and HARQ."""
