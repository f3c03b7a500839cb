"""Which models are measured, and with which bundles; apart, so that the command line loads nothing
more."""

NEEDS = {
    "detector": ("world-face", "world-person"),
    "recogniser": ("world-recogniser",),
    "dcgan": ("world-faces", "world-recogniser"),
    "vae": ("world-scenes",),
    "behaviour": ("world-behaviour",),
    "cgan": ("world-clips", "world-behaviour"),
}
NAMES = tuple(NEEDS)
