"""What is measured on, and how much of it: people, scenes and clips that nothing else ever sees.

People to learn from and to calibrate with have seeds below 1,000,000; the recipes' own measures,
and with them the recogniser's threshold, take those from there to 1,999,999. Scenes and clips of
all that have seeds below 2**42, and the proofs of calibration take those from there to 2**43. Here
both begin where nothing else is.
"""

from __future__ import annotations

from dataclasses import dataclass

PEOPLE = 2_000_000
SCENES = 1 << 43


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is rendered or generated.

    scenes: of six frames, for the detectors. people: four faces of each, for the recogniser. clips:
    of each behaviour, rendered, and as many generated. faces: generated ones. crowd: faces that
    were learned from and as many that were not, to look for the nearest among. views: scenes of the
    cameras that the VAE knows, half of them with something wrong. films: of five seconds, in which
    frame differencing looks for people. examples: clips of each behaviour that it learns from.
    resamples: of a bootstrap.
    """

    scenes: int
    people: int
    clips: int
    faces: int
    crowd: int
    views: int
    films: int
    examples: int
    resamples: int


FULL = Sizes(
    scenes=100, people=300, clips=60, faces=1000, crowd=6000, views=160, films=24, examples=50,
    resamples=500,
)  # fmt: skip
# Enough to see that all of it runs, in a minute; the intervals are as wide as that is little.
QUICK = Sizes(
    scenes=8, people=90, clips=4, faces=64, crowd=200, views=40, films=2, examples=3, resamples=100
)
