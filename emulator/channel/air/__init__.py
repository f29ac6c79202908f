"""The air interface: transport blocks, modulation and coding, link adaptation and HARQ."""
