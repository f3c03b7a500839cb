"""From a site file to loaded models and a gallery: which adapter is in use is decided here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import Bundle, open_bundle
from edge.config import Models as ModelPaths
from edge.config import Site, threshold_for
from edge.device import DeviceFacts, gather
from edge.errors import BundleError, ModelError, SiteFileError, UsageError
from edge.events.payloads import ModelReference
from edge.gallery.matcher import Gallery
from edge.manifest import Manifest, ScrfdDecoder, YunetDecoder
from edge.pipeline import Models
from edge.rules.acts import ActSettings
from edge.runner.base import Runner
from edge.runner.golden import replay, warm_up
from edge.runner.onnxruntime import OnnxRuntimeRunner, SessionSettings
from edge.signature import load_public_key
from edge.site.values import did_you_mean
from edge.store.base import GalleryStore
from edge.store.gallery import SqliteGalleryStore
from edge.track.bytetrack import TrackSettings
from edge.types import OperatingPoint
from edge.vision.behaviour import ClipClassifier
from edge.vision.detector import Detector
from edge.vision.landmarks import LandmarkFinder
from edge.vision.recogniser import Recogniser

_log = logging.getLogger(__name__)

# Roles of the site file that this version can run; the others are refused, never passed over.
_SUPPORTED = ("detector", "landmarks", "recogniser", "person", "behaviour")
_UNSUPPORTED = ("liveness", "anonymiser", "enhancer", "anomaly")
_PERSON = "person"
# What people do who do nothing special: no event of its own, unless the site file says so.
_ORDINARY = ("walk", "stand", "sit", "loiter", "normal")
# The label that the loop takes from the detector of each role.
_LABELS = {"detector": "face", _PERSON: "person"}
# Below a detector's own score a face is no find, but it keeps a track that has one.
_FLOOR = TrackSettings().low_score
_GALLERY_FILE = "gallery.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModels:
    """The models of a site, ready to run, and what events say of them.

    point: the recogniser's operating point, None without one. bundles: by role. acts: what is told
    of what people are recognised to do, None without a model for behaviours.
    """

    models: Models
    bundles: dict[str, Bundle]
    references: dict[str, ModelReference]
    point: OperatingPoint | None
    acts: ActSettings | None = None


def open_bundles(paths: ModelPaths) -> dict[str, Bundle]:
    """Open and verify every bundle of the site file, by role.

    Raises BundleError and its kind where one is not what it should be, UsageError for a role that
    this version cannot run: a camera must not seem to check for liveness while it does not.
    """
    for role in _UNSUPPORTED:
        if getattr(paths, role) is not None:
            raise UsageError(
                f"models.{role} is set, but this version has no {role} stage",
                expected=f"only {', '.join(_SUPPORTED)}",
                remedy=f"Remove models.{role} from the site file.",
            )
    keys = [load_public_key(path) for path in paths.trusted_keys]
    chosen = {role: getattr(paths, role) for role in _SUPPORTED}
    return {
        role: open_bundle(path, require_signed=paths.require_signed, trusted_keys=keys)
        for role, path in chosen.items()
        if path is not None
    }


@contextmanager
def load_models(
    site: Site, *, settings: SessionSettings | None = None, needs_point: bool = True
) -> Iterator[LoadedModels]:
    """The site's models, verified, loaded, held against their golden outputs and warmed up;
    released at exit.

    needs_point: False where nobody is named, as while a threshold is measured; point is None then.

    Raises what ``open_bundles`` raises, BundleError where a bundle cannot do the part of its role,
    ModelError where a model does not load, run or give its golden outputs here, SiteFileError where
    no threshold is known, nothing gives the landmarks that the recogniser needs, or the model for
    behaviours does not have a label that is asked for.
    """
    bundles = open_bundles(site.models)
    for role, bundle in bundles.items():
        _require_role(role, bundle)
    _require_landmarks(bundles)
    acts = _acts(site, bundles)
    device = gather()
    with ExitStack() as stack:
        references: dict[str, ModelReference] = {}
        runners: dict[str, Runner] = {}
        for role, bundle in bundles.items():
            runner, variant = open_runner(bundle, settings=settings, device=device)
            runners[role] = stack.enter_context(runner)
            check_golden(runner, bundle, variant)
            if bundle.manifest.input is not None:
                warm_up(runner, bundle.manifest.input)
            references[role] = ModelReference(
                bundle=bundle.manifest.name, variant=variant, sha256=bundle.sha256
            )
        yield LoadedModels(
            models=_models(bundles, runners),
            bundles=bundles,
            references=references,
            point=_operating_point(site, bundles) if needs_point else None,
            acts=acts,
        )


def open_runner(
    bundle: Bundle,
    *,
    settings: SessionSettings | None = None,
    variant: str | None = None,
    device: DeviceFacts | None = None,
) -> tuple[Runner, str]:
    """A runner, not yet loaded, for the variant that suits this machine, and that variant's id.

    variant: run this one, or refuse. device: this machine as gathered before; None gathers.

    Raises BundleError where no variant of the bundle runs here.
    """
    choice = bundle.choose(runners=("onnxruntime",), device=device, variant=variant)
    spec = bundle.manifest.input
    _log.info("%s: running %s (%s)", bundle.manifest.name, choice.variant.id, choice.reason)
    runner = OnnxRuntimeRunner(
        bundle.read(choice.variant.file),
        name=f"{bundle.manifest.name}/{choice.variant.id}",
        settings=settings,
        max_batch=None if spec is None else spec.batch.max,
    )
    return runner, choice.variant.id


def check_golden(runner: Runner, bundle: Bundle, variant: str) -> float | None:
    """Replay the bundle's golden outputs; the largest difference, None where it has none.

    Raises ModelError where the model computes something else here than when it was built.
    """
    tolerance = bundle.manifest.variant(variant).golden_tolerance
    if bundle.manifest.golden is None or tolerance is None:
        return None
    inputs, outputs = bundle.golden()
    result = replay(runner, inputs, outputs, tolerance.max_abs)
    if not result.passed:
        raise ModelError(
            f"{bundle.manifest.name}/{variant} does not compute here what it was built to",
            expected=f"its golden outputs within {tolerance.max_abs:g}",
            found=f"a difference of {result.max_abs:g}",
            remedy="Build the bundle again, or report this machine's ONNX Runtime.",
        )
    return result.max_abs


def load_gallery(site: Site, space: str) -> Gallery:
    """The enrolled templates of one embedding space; empty where nobody was enrolled yet.

    Raises the store's errors.
    """
    with open_gallery(site, read_only=True) as store:
        return Gallery(store.templates(space), space)


def open_gallery(site: Site, *, read_only: bool = False) -> GalleryStore:
    """The site's gallery, not yet opened. Read-only it works beside a writer, and is empty where
    nobody was enrolled yet."""
    return SqliteGalleryStore(gallery_path(site), read_only=read_only)


def gallery_path(site: Site) -> Path:
    """Where the site's gallery is kept."""
    return site.site.state_dir / _GALLERY_FILE


def _require_role(role: str, bundle: Bundle) -> None:
    wanted = "detector" if role == _PERSON else role
    if bundle.manifest.role != wanted:
        raise BundleError(
            f"models.{role} is not the right kind of bundle",
            expected=f"a bundle with role {wanted}",
            found=f"{bundle.manifest.name} with role {bundle.manifest.role}",
            remedy=f"Name another bundle at models.{role} in the site file.",
        )
    label = _LABELS.get(role)
    if label is not None and label not in bundle.manifest.labels:
        known = ", ".join(bundle.manifest.labels[:10])
        raise BundleError(
            f"models.{role} does not look for a {label}",
            expected=f"a bundle whose labels hold {label!r}",
            found=f"{bundle.manifest.name} with labels {known}",
            remedy=f"Name another bundle at models.{role} in the site file.",
        )


def _require_landmarks(bundles: dict[str, Bundle]) -> None:
    """Without landmarks no face can be aligned: every one would pass as of low quality."""
    detector = bundles["detector"].manifest
    if "recogniser" in bundles and "landmarks" not in bundles and not _gives_landmarks(detector):
        raise SiteFileError(
            "the recogniser needs landmarks, and nothing gives any",
            expected="a detector with landmarks, or a bundle at models.landmarks",
            found=f"{detector.name} with decoder {detector.decoder.name}, no models.landmarks",
            remedy="Add models.landmarks to the site file.",
        )


def _gives_landmarks(detector: Manifest) -> bool:
    decoder = detector.decoder
    if isinstance(decoder, ScrfdDecoder):  # points are a third output of each stride
        return len(detector.outputs) == 3 * len(decoder.strides)
    return isinstance(decoder, YunetDecoder)


def _operating_point(site: Site, bundles: dict[str, Bundle]) -> OperatingPoint | None:
    bundle = bundles.get("recogniser")
    if bundle is None:
        return None
    shipped = [threshold.model_dump() for threshold in bundle.manifest.thresholds]
    return threshold_for(site, shipped, bundle.sha256)


def _acts(site: Site, bundles: dict[str, Bundle]) -> ActSettings | None:
    """What is told of what people do: what the site file names, else all that is not ordinary."""
    if "behaviour" not in bundles:
        return None
    manifest, report = bundles["behaviour"].manifest, site.behaviour.report
    _require_labels("behaviour.report", report or (), manifest.labels)
    told = report or tuple(label for label in manifest.labels if label not in _ORDINARY)
    if not told:
        raise SiteFileError(
            "nothing that models.behaviour recognises would be told",
            expected="a label that is not ordinary, or report under [behaviour]",
            found=f"{manifest.name} with labels {', '.join(manifest.labels)}",
        )
    for rule in site.rules:
        _require_labels(f"rule {rule.id}", rule.labels or (), told)
    return ActSettings(labels=told, confidence=site.behaviour.confidence)


def _require_labels(place: str, labels: Iterable[str], known: tuple[str, ...]) -> None:
    for label in labels:
        if label not in known:
            raise SiteFileError(
                f"{place} names a behaviour that is not told",
                expected=", ".join(known),
                found=repr(label),
                remedy=did_you_mean(label, known),
            )


def _models(bundles: dict[str, Bundle], runners: dict[str, Runner]) -> Models:
    parts = {role: (runners[role], bundle.manifest) for role, bundle in bundles.items()}
    return Models(
        detector=Detector(*parts["detector"], floor=_FLOOR, labels=(_LABELS["detector"],)),
        landmarks=LandmarkFinder(*parts["landmarks"]) if "landmarks" in parts else None,
        recogniser=Recogniser(*parts["recogniser"]) if "recogniser" in parts else None,
        person=Detector(*parts[_PERSON], floor=_FLOOR, labels=(_LABELS[_PERSON],))
        if _PERSON in parts
        else None,
        behaviour=ClipClassifier(*parts["behaviour"]) if "behaviour" in parts else None,
    )
