"""The fire drill makes every alert fire and resolve once, with real programs."""
