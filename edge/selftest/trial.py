"""Which of the site's models see rendered people, and what takes the place of those that do not.

A model for real faces need not see painted ones, and says nothing about its camera by that. Each
stage is tried on pictures whose truth is known; one that falls short is replaced for the self-test
alone, and named as not tested.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from edge.assembly import LoadedModels, load_models
from edge.bundle import open_bundle
from edge.config import Models as ModelPaths
from edge.config import Recognition, Site
from edge.enrol import faces_in_picture, require_recogniser
from edge.errors import EnrolmentError
from edge.events.payloads import ModelReference
from edge.gallery.identity import judge
from edge.gallery.matcher import Gallery
from edge.gallery.shots import ShotSettings
from edge.geometry import iou_matrix
from edge.media.jpeg import decode_jpeg
from edge.pipeline import Models
from edge.selftest.material import FaceTruth, Material
from edge.types import ByteImage, Detections, Embedding, FloatArray, OperatingPoint, Template
from edge.vision.detector import Detector

# Share of what there is to see, or to tell apart, that a stage may miss: a model made for such
# people misses some in single pictures, one that was not made for them misses most.
_MAY_MISS = 0.3
_MAY_CONFUSE = 0.15
# A box that overlaps the truth by so much has found it; detectors draw faces with and without hair.
_FOUND_IOU = 0.35
# Mean distance of landmarks to the truth, of the face's width, from which nothing can be aligned.
_FAR = 0.12
_SHOTS = ShotSettings()

Steps = Generator[None, None, "Cast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """What the self-test's camera is seen with.

    stages: what plays the part of each model of the site, in words. untested: the roles whose part
    another model plays, or none. gallery and point: None without a recogniser.
    """

    models: Models
    references: Mapping[str, ModelReference]
    point: OperatingPoint | None
    gallery: Gallery | None
    stages: Mapping[str, str]
    untested: tuple[str, ...]


class Trial:
    """Tries the models of a site.

    bundles: what takes their place, by role. owned: closes what was loaded. It is done in steps, of
    one inference each, so that cameras do not wait for it; what takes long is done on a thread.
    """

    def __init__(
        self,
        site: Site,
        loaded: LoadedModels,
        material: Material,
        bundles: Mapping[str, Path],
        owned: ExitStack,
    ) -> None:
        self._site = site
        self._loaded = loaded
        self._material = material
        self._bundles = bundles
        self._owned = owned
        self._pack: LoadedModels | None = None
        # Nothing is expected of what a classifier makes of rendered people.
        self._models = replace(loaded.models, behaviour=None)
        self._references = dict(loaded.references)
        self._point = loaded.point
        self._stages: dict[str, str] = {}
        if self._references.pop("behaviour", None) is not None:
            self._stages["behaviour"] = f"not run (the site's {self._name('behaviour')})"

    def run(self) -> Steps:
        """Try stage by stage; between two steps others may go on.

        Raises the errors of models, and of bundles that take their place.
        """
        yield from self._try_detector()
        yield from self._try_person()
        gallery = yield from self._try_recogniser()
        return Cast(
            models=self._models,
            references=self._references,
            point=self._point,
            gallery=gallery,
            stages={role: f"the site's {self._name(role)}" for role in self._loaded.references}
            | self._stages,
            untested=tuple(self._stages),
        )

    def _try_detector(self) -> Generator[None, None, None]:
        needs = self._models.recogniser is not None
        found = asked = 0
        for probe in self._material.probes:
            picture = self._picture(probe.picture)
            faces = _sure(self._models.detector, picture)
            if faces.landmarks is None and self._models.landmarks is not None:
                faces = self._models.landmarks.add(picture, faces)
            asked += len(probe.faces)
            found += sum(_is_found(face, faces, needs_landmarks=needs) for face in probe.faces)
            yield
        if not _falls_short(found, asked):
            return
        why = f"{self._name('detector')} found {found} of {asked} rendered faces"
        pack = yield from self._stand_in("detector", why)
        if pack is not None:
            self._models = replace(self._models, detector=pack.models.detector, landmarks=None)
            if self._references.pop("landmarks", None) is not None:
                self._stages["landmarks"] = self._stages["detector"]

    def _try_person(self) -> Generator[None, None, None]:
        if self._models.person is None:
            return
        found = asked = 0
        for probe in self._material.probes:
            people = _sure(self._models.person, self._picture(probe.picture))
            wanted = np.asarray(probe.people, np.float32).reshape(-1, 4)
            overlaps = iou_matrix(wanted, people.boxes)
            asked += len(wanted)
            found += int((overlaps >= _FOUND_IOU).any(axis=1).sum()) if overlaps.size else 0
            yield
        if _falls_short(found, asked):
            why = f"{self._name('person')} found {found} of {asked} rendered people"
            pack = yield from self._stand_in("person", why)
            if pack is not None:
                self._models = replace(self._models, person=pack.models.person)

    def _try_recogniser(self) -> Generator[None, None, Gallery | None]:
        if self._models.recogniser is None or self._point is None:
            return None
        known, strangers = yield from self._enrol()
        right, asked = _told_apart(known, strangers, self._point)
        if asked - right > _MAY_CONFUSE * asked:
            why = f"{self._name('recogniser')} told {right} of {asked} rendered pictures apart"
            pack = yield from self._stand_in("recogniser", why)
            if pack is not None:
                self._models = replace(self._models, recogniser=pack.models.recogniser)
                self._point = pack.point
                known, _ = yield from self._enrol()
        space = require_recogniser(self._models).space
        templates = [
            Template(person, one)
            for person, seen in known.items()
            for one in seen
            if one is not None
        ]
        return Gallery(templates, space)

    def _enrol(
        self,
    ) -> Generator[None, None, tuple[dict[str, list[Embedding | None]], list[Embedding | None]]]:
        """The embedding of every picture, of the known and of strangers; None where it has none."""
        known: dict[str, list[Embedding | None]] = {}
        for person, pictures in self._material.people.items():
            known[person] = []
            for name in pictures:
                known[person].append(self._embedding(name))
                yield
        strangers: list[Embedding | None] = []
        for name in self._material.strangers:
            strangers.append(self._embedding(name))
            yield
        return known, strangers

    def _embedding(self, name: str) -> Embedding | None:
        try:
            found = faces_in_picture(self._models, self._picture(name), shots=_SHOTS, name=name)
        except EnrolmentError:
            return None
        best = max(found.candidates, key=lambda one: one.weight, default=None)
        return None if best is None else best.embedding

    def _stand_in(self, role: str, why: str) -> Generator[None, None, LoadedModels | None]:
        """The models that take the place of the site's; None where they have none for this part, or
        the site has the very same."""
        if role not in self._bundles:
            self._stages[role] = f"the site's {self._name(role)}, though {why}"
            return None
        same = open_bundle(self._bundles[role], require_signed=False)
        if same.sha256 == self._loaded.bundles[role].sha256:
            return None
        if self._pack is None:
            executor = ThreadPoolExecutor(1, thread_name_prefix="selftest-load")
            loading = executor.submit(self._load)
            executor.shutdown(wait=False)
            try:
                while not loading.done():
                    yield
            except GeneratorExit:  # nobody waits for it any more
                loading.add_done_callback(_release)
                raise
            owned, self._pack = loading.result()
            self._owned.enter_context(owned)
        reference = self._pack.references[role]
        self._references[role] = reference
        self._stages[role] = f"{reference.bundle} (the site's {why})"
        return self._pack

    def _load(self) -> tuple[ExitStack, LoadedModels]:
        """The models, and what closes them."""
        paths = ModelPaths.model_validate({**self._bundles, "require_signed": False})
        site = self._site.model_copy(update={"models": paths, "recognition": Recognition()})
        with ExitStack() as owned:
            loaded = owned.enter_context(load_models(site))
            return owned.pop_all(), loaded

    def _name(self, role: str) -> str:
        return self._loaded.references[role].bundle

    def _picture(self, name: str) -> ByteImage:
        return decode_jpeg(self._material.read(name))


def _release(loading: Future[tuple[ExitStack, LoadedModels]]) -> None:
    if loading.exception() is None:
        loading.result()[0].close()


def _falls_short(found: int, asked: int) -> bool:
    return asked - found > ceil(_MAY_MISS * asked)


def _sure(detector: Detector, picture: ByteImage) -> Detections:
    found = detector.detect([picture])[0]
    return found[found.scores >= detector.score]


def _is_found(truth: FaceTruth, faces: Detections, *, needs_landmarks: bool) -> bool:
    box = np.asarray([truth.box], np.float32)
    overlaps = iou_matrix(box, faces.boxes)[0]
    if not len(overlaps) or overlaps.max() < _FOUND_IOU:
        return False
    if not needs_landmarks:
        return True
    if faces.landmarks is None:
        return False
    points: FloatArray = np.asarray(truth.landmarks, np.float32)
    away = np.linalg.norm(faces.landmarks[int(overlaps.argmax())] - points, axis=1)
    return bool(away.mean() <= _FAR * (box[0, 2] - box[0, 0]))


def _told_apart(
    known: Mapping[str, list[Embedding | None]],
    strangers: list[Embedding | None],
    point: OperatingPoint,
) -> tuple[int, int]:
    """Of so many pictures, how many are recognised by the others: the known as who they are, the
    strangers as nobody."""
    asked: list[tuple[str | None, int, Embedding | None]] = [
        (person, index, one) for person, seen in known.items() for index, one in enumerate(seen)
    ]
    asked += [(None, index, one) for index, one in enumerate(strangers)]
    right = 0
    for person, index, one in asked:
        if one is None:
            continue
        others = [
            Template(name, other)
            for name, seen in known.items()
            for number, other in enumerate(seen)
            if other is not None and (name, number) != (person, index)
        ]
        match = Gallery(others, one.space).match(one)
        right += judge(match, point, 1.0).person == person
    return right, len(asked)
