"""The bundles that are measured, opened and run as a camera does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.assembly import check_golden, open_runner
from edge.bundle import Bundle, open_bundle
from edge.errors import BundleError
from edge.manifest import Manifest
from edge.pack import PACK, PackedBundle, contents
from edge.runner.base import Runner
from export.reference.evaluation.figures import Used

_BUNDLES = "bundles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle whose model is loaded."""

    bundle: Bundle
    runner: Runner
    used: Used

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of its model."""
        return self.bundle.manifest


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack of bundles. folder: as ``edgewarden reference bundle`` writes it."""

    folder: Path = PACK

    def open(self, name: str) -> AbstractContextManager[Opened]:
        """The bundle verified, its model loaded and held against its golden outputs.

        Raises BundleError and its kind where it is not what it should be, or the pack's list does
        not name it.
        """
        self.require((name,))
        return _opened(self.folder / _BUNDLES / name, contents(self.folder).bundles[name])

    def lacks(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those of these bundles that the pack's list does not name.

        Raises BundleError where there is no list.
        """
        listed = contents(self.folder).bundles
        return tuple(name for name in names if name not in listed)

    def require(self, names: Sequence[str]) -> None:
        """Raises BundleError where the pack lacks one of these bundles."""
        if missing := self.lacks(names):
            raise BundleError(
                f"the pack lacks bundle {missing[0]}",
                expected=f"{missing[0]} in the list of {self.folder}",
                found=", ".join(contents(self.folder).bundles) or "no bundle",
                remedy="Make it with: edgewarden reference bundle",
            )


@contextmanager
def _opened(path: Path, packed: PackedBundle) -> Iterator[Opened]:
    found = open_bundle(path, require_signed=False)
    runner, variant = open_runner(found)
    with runner:
        check_golden(runner, found, variant)
        used = Used(
            name=found.manifest.name,
            version=found.manifest.version,
            variant=variant,
            sha256=found.sha256,
            recipe=packed.recipe,
            recipe_sha256=packed.recipe_sha256,
            data_sha256=packed.data_sha256,
        )
        yield Opened(bundle=found, runner=runner, used=used)
