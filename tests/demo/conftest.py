"""A small pack of its own: one who is enrolled, one who is not, and models that tell them apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edge.cli import main
from edge.media import write_image
from edge.pack.demo_truth import Conduct, DemoPerson, DemoTruth, Shot, Span
from tests.brokers import Broker, Pki, make_pki, new_broker
from tests.small_world import FACE, SIDE, detector_model, film, portrait, recogniser_model

FPS = 15.0
_HERE = ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
ANNA, STRANGER = 1, 3
_LOOKS, _AWAY = 40, 40  # frames; a track is given up after 30 without a face


@dataclass(frozen=True)
class Pack:
    """A folder in the place of the pack."""

    folder: Path

    def show(self, *people: int) -> None:
        """Make the clip of these people in turn; the truth says anna, then a stranger."""
        dark = [np.zeros((SIDE, SIDE, 3), np.uint8)] * _AWAY
        frames = [frame for person in people for frame in [*([portrait(person)] * _LOOKS), *dark]]
        film(self.folder / "demo" / "clip.mp4", frames, fps=FPS)
        text = _truth(len(frames)).model_dump_json()
        (self.folder / "demo" / "truth.json").write_text(text)


def _truth(frames: int) -> DemoTruth:
    second = _LOOKS + _AWAY

    def somebody(name: str, first: int, *, enrolled: bool) -> DemoPerson:
        faces = tuple((first + i, *(float(side) for side in FACE)) for i in range(_LOOKS))
        span = Span(begins=first / FPS, ends=(first + _LOOKS - 1) / FPS)
        return DemoPerson(
            id=name, enrolled=enrolled, face_px=float(FACE[2] - FACE[0]), seen=(span,), faces=faces
        )

    people = (somebody("anna", 0, enrolled=True), somebody("nobody", second, enrolled=False))
    ends = (frames - 1) / FPS
    return DemoTruth(
        format="1.0",
        seed=1,
        size=(SIDE, SIDE),
        fps=FPS,
        frames=frames,
        zones={"here": _HERE},
        line=((0.1, 0.9), (0.9, 0.9)),
        line_name="gate",
        loitering_s=60.0,
        shots=(Shot(begins=0.0, ends=ends, first=0, frames=frames, night=False),),
        people=people,
        conducts=tuple(
            Conduct(kind="intrusion", place="here", person=p.id, **p.seen[0].model_dump())
            for p in people
        ),
        acts=(),
    )


def _centred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with 127.5 taken from its input, for a template that takes pixels as they are."""
    model.graph.node[0].input[0] = "centred"
    model.graph.node.insert(0, helper.make_node("Sub", ["data", "grey"], ["centred"]))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(127.5, np.float32), "grey"))
    return model


@pytest.fixture(scope="session")
def small_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    folder = tmp_path_factory.mktemp("pack")
    models = tmp_path_factory.mktemp("models")
    (folder / "bundles").mkdir()
    (folder / "demo" / "people" / "anna").mkdir(parents=True)
    (models / "face.onnx").write_bytes(detector_model())
    onnx.save(_centred(onnx.load_from_string(recogniser_model(side=128))), models / "who.onnx")
    for name, model, template in (
        ("world-face", "face.onnx", "yunet"),
        ("world-recogniser", "who.onnx", "reid-0095"),  # the template has a threshold
    ):
        out = folder / "bundles" / name
        words = ["bundle", "new", models / model, "--template", template, "--out", out]
        assert main([str(word) for word in words]) == 0
    for number in (1, 2):
        write_image(folder / "demo" / "people" / "anna" / f"{number}.png", portrait(ANNA))
    pack = Pack(folder)
    pack.show(ANNA, STRANGER)
    return pack


@pytest.fixture
def pack(small_pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pack:
    """A copy of the small pack, which the demo takes for the one that ships."""
    folder = shutil.copytree(small_pack.folder, tmp_path / "pack")
    monkeypatch.setattr("edge.pack.PACK", folder)
    return replace(small_pack, folder=folder)


@pytest.fixture
def demo(tmp_path: Path) -> Callable[..., int]:
    """Runs ``edgewarden demo --out tmp/out`` with more words."""

    def run(*words: object) -> int:
        return main(["demo", "--out", str(tmp_path / "out"), *map(str, words)])

    return run


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def broker(tmp_path: Path, pki: Pki) -> Iterator[Broker]:
    """A mosquitto that runs."""
    broker = new_broker(tmp_path / "broker", pki)
    broker.start()
    yield broker
    broker.kill()
