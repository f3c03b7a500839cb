"""A classifier run over folders of pictures, one folder a label, as the camera would run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.batches import feeds
from calibration.faces import finder_for
from calibration.walk import list_files
from edge.bundle import Bundle
from edge.errors import DecoderMismatchError, UsageError
from edge.manifest import LogitsDecoder, Manifest
from edge.media.image import is_image, read_image
from edge.runner.base import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """For each picture, or each face in one: what it shows and what was said, as places in the
    manifest's labels, and its file. empty: pictures in which nothing was found to look at.
    """

    truth: list[int]
    said: list[int]
    files: list[str]
    empty: int


def answer(
    runner: Runner,
    manifest: Manifest,
    folder: Path,
    *,
    detector: Bundle | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Answers:
    """Run a classifier over every image in ``folder``, whose subfolders are named like its labels.

    watch: called after every image. Raises DecoderMismatchError for a bundle that is no classifier,
    UsageError where the folder holds no picture of a label, MediaError for one that cannot be read.
    """
    spec = manifest.input
    if spec is None or not isinstance(manifest.decoder, LogitsDecoder):
        raise DecoderMismatchError(
            f"bundle {manifest.name} is no classifier",
            expected="decoder logits",
            found=f"role {manifest.role} with decoder {manifest.decoder.name}",
        )
    answers = Answers(truth=[], said=[], files=[], empty=0)
    empty = 0
    with finder_for(spec, detector) as finder:
        for path, label in _labelled(folder, manifest.labels):
            crops = [crop for _, crop in finder.find(read_image(path))]
            empty += not crops
            for feed in feeds(crops, spec):
                (values,) = (runner.infer(feed)[name] for name in manifest.output_names)
                # Softmax and sigmoid keep the order, so the largest value is the largest score.
                answers.said.append(int(np.asarray(values).reshape(-1).argmax()))
                answers.truth.append(label)
                answers.files.append(str(path))
            watch()
    if not answers.truth:
        raise UsageError(
            f"{folder} shows nothing to classify",
            expected="faces" if detector is not None else "pictures",
            found=f"none in {empty} pictures",
        )
    return Answers(truth=answers.truth, said=answers.said, files=answers.files, empty=empty)


def _labelled(folder: Path, labels: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Every image below the folder of a label, in a stable order."""
    present = [(number, folder / name) for number, name in enumerate(labels)]
    folders = [(number, path) for number, path in present if path.is_dir()]
    if not folders:
        raise UsageError(
            f"{folder} is no folder of labelled pictures",
            expected=f"a folder in it for each of {', '.join(labels[:10])}",
            found="none of them",
        )
    others = sorted(
        one.name
        for one in folder.iterdir()
        if one.is_dir() and one.name not in labels and not one.name.startswith(".")
    )
    if others:
        raise UsageError(
            f"{folder} has folders of no label",
            expected=f"only folders named {', '.join(labels[:10])}",
            found=", ".join(others[:10]),
            remedy="Name them as the bundle names its labels, or take them out: nothing in them "
            "would count.",
        )
    found = []
    for number, path in folders:
        files = list_files([path])
        paths = sorted(files.path(index) for index in range(len(files)))
        found += [(one, number) for one in paths if is_image(one)]
    return found
