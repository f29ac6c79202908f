"""Small scale: multipath fading."""
