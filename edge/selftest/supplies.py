"""What a self-test of the product shows: material and models of the reference pack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.pack import PACK, bundle
from edge.selftest.material import Material, read_material

_FOLDER = "selftest"
# By the role that a bundle of the pack takes.
_BUNDLES = {
    "detector": "world-face",
    "person": "world-person",
    "recogniser": "world-recogniser",
}


def pack_supplies() -> tuple[Material, Mapping[str, Path]]:
    """The material, and the bundles that take the place of a site's, by role.

    Raises BundleError where the pack lacks something.
    """
    material = read_material(PACK / _FOLDER)
    return material, {role: bundle(name) for role, name in _BUNDLES.items()}
