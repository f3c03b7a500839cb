"""One camera as those who make events of its scenes need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.config import Behaviour
from edge.polygon import Polygon


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """What the site file says of a camera's pictures.

    rules_as: the id under which the site file's rules know it; a replayed file stands in for a
    configured camera. zones: by id, in fractions of the frame. behaviours: what to look for.
    """

    id: str
    rules_as: str
    zones: Mapping[str, Polygon]
    behaviours: Sequence[Behaviour] = ()
