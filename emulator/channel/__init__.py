"""The radio channel: from geometry and fading to bits per slot."""
