"""The radio channel: geometry and fading become bits per slot."""
