"""Which models are measured; apart, so that the command line loads nothing more."""

NAMES = ("detector", "recogniser", "dcgan", "vae", "behaviour", "cgan")
