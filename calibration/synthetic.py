"""Samples without a real face: from a generator's bundle, from noise, and latents for generators.

Each is a function of the seed and its index alone, so that nothing has to be kept.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np
from pydantic import JsonValue

from calibration.batches import Indices, Kind, PictureSource, Source, fit
from calibration.similar import Distinct, difference_hash
from edge.assembly import check_golden, open_runner
from edge.bundle import Bundle
from edge.errors import DecoderMismatchError
from edge.manifest import Condition, Input, Latent
from edge.runner.base import Runner, Signature, Tensor
from edge.types import ByteImage
from edge.vision.generator import draw_latents, encode_conditions, input_of, to_pictures

# Pictures drawn at once, and draws for each one wanted before a generator is held to repeat itself.
_BATCH = 16
_MOST_DRAWS = 4
_SIDES = (2, 24)


class NoisePictures(PictureSource):
    """Pictures of chance: in turns even noise in every pixel, and smooth clouds of colour."""

    kind: Kind = "noise"

    def __init__(self, spec: Input, count: int, *, seed: int) -> None:
        super().__init__(spec)
        self.groups: Sequence[int] = range(count)
        self._seed = seed

    @property
    def description(self) -> str:
        """What kind of noise it is."""
        return f"{len(self.groups)} pictures of noise, in turns of each pixel and smooth"

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """The kind of noise and the seed."""
        return {"noise": "in turns of each pixel and smooth", "seed": self._seed}

    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """Of size, seed and index."""
        return _digests(f"noise {self._size} {self._seed}", wanted)

    def group_name(self, group: int) -> str:
        """Its number: every one is a group of its own."""
        return f"noise {group}"

    @property
    def _size(self) -> tuple[int, int]:
        return self.spec.width.opt, self.spec.height.opt

    def _prepare(self, wanted: Indices) -> Iterator[ByteImage]:
        for index in wanted.tolist():
            yield noise_picture(self._size, np.random.default_rng([self._seed, index]), index % 2)


def noise_picture(
    size: tuple[int, int], random: np.random.Generator, smooth: bool | int
) -> ByteImage:
    """Even noise over 0..255 of ``size`` (width, height), uint8 ``[H, W, 3]``.

    smooth: drawn on a grid of 2 to 24 cells a side and scaled up, so that neighbours are alike.
    """
    width, height = size
    if not smooth:
        return random.integers(0, 256, (height, width, 3), np.uint8)
    cells = random.integers(*_SIDES, 2, endpoint=True)
    small = random.integers(0, 256, (int(cells[0]), int(cells[1]), 3), np.uint8)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.uint8)


class GeneratedPictures(PictureSource):
    """What a generator's bundle draws; conditions take turns. Draws that are nearly the same as an
    earlier one are left out, so a generator that knows one picture gives one."""

    kind: Kind = "generated"

    def __init__(
        self,
        generator: Bundle,
        spec: Input,
        count: int,
        *,
        seed: int,
        watch: Callable[[int], None],
    ) -> None:
        super().__init__(spec)
        self._draws = Draws(generator, seed=seed)
        self._distinct = Distinct()
        self._chosen = array("q")
        most = _MOST_DRAWS * count
        for draw, picture in enumerate(self._draws.pictures(np.arange(most))):
            if self._distinct.is_new(difference_hash(picture)):
                self._chosen.append(draw)
                watch(1)
            if len(self._chosen) == count:
                break
        self.groups: Sequence[int] = range(len(self._chosen))

    @property
    def description(self) -> str:
        """By which generator, and what was left out."""
        text = f"{len(self._chosen)} pictures by {self._draws.name}"
        dropped = self._distinct.dropped
        return f"{text}; left out: {dropped} near duplicates" if dropped else text

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """The generator and the seed, and what was left out."""
        return {**self._draws.record, "near_duplicates": self._distinct.dropped}

    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """Of the generator, the seed and the number of the draw."""
        return _digests(self._draws.recipe, self._drawn(wanted))

    def group_name(self, group: int) -> str:
        """Its number: every one is a group of its own."""
        return f"{self._draws.name} {self._chosen[group]}"

    def _prepare(self, wanted: Indices) -> Iterator[ByteImage]:
        for picture in self._draws.pictures(self._drawn(wanted)):
            yield fit(picture, self.spec)

    def _drawn(self, wanted: Indices) -> Indices:
        return np.fromiter((self._chosen[i] for i in wanted.tolist()), np.int64, len(wanted))


class Draws:
    """The pictures of a generator by the number of the draw.

    Raises DecoderMismatchError where the bundle is no generator's.
    """

    def __init__(self, generator: Bundle, *, seed: int) -> None:
        manifest = generator.manifest
        if manifest.latent is None or manifest.outputs[0].range is None:
            raise DecoderMismatchError(
                f"bundle {manifest.name} is no generator",
                expected="a bundle with role synthesiser",
                found=f"role {manifest.role}",
            )
        self._bundle = generator
        self._inputs = LatentInputs(manifest.latent, manifest.condition, seed=seed)
        self._range = manifest.outputs[0].range
        self._output = manifest.outputs[0].name
        self.name = manifest.name
        self.recipe = f"{generator.sha256} {seed}"
        self.record: Mapping[str, JsonValue] = {
            "generator": manifest.name,
            "generator_sha256": generator.sha256,
            "seed": seed,
        }

    def pictures(self, draws: Indices) -> Iterator[ByteImage]:
        """The pictures of these draws, which ascend: uint8 ``[H, W, 3]`` BGR, as the model makes
        them. Raises what loading and running a bundle raises."""
        if not len(draws):
            return
        runner, variant = open_runner(self._bundle)
        with runner:
            check_golden(runner, self._bundle, variant)
            for first in range(0, len(draws), _BATCH):
                yield from self._batch(runner, draws[first : first + _BATCH])

    def _batch(self, runner: Runner, draws: Indices) -> list[ByteImage]:
        outputs = runner.infer(self._inputs.feeds(draws, runner.signature))
        return to_pictures(outputs[self._output], self._range)


class LatentInputs:
    """What a generator is fed, by the number of the draw; conditions take turns."""

    def __init__(self, latent: Latent, condition: Condition | None, *, seed: int) -> None:
        self._latent = latent
        self._condition = condition
        self._seed = seed

    def feeds(self, draws: Indices, signature: Signature) -> dict[str, Tensor]:
        """One batch of these draws. Raises DecoderMismatchError where the model has no such
        inputs."""
        latent, condition = self._latent, self._condition
        spec = input_of(signature, latent.name)
        rows = [
            draw_latents(latent, spec, 1, np.random.default_rng([self._seed, draw]))
            for draw in draws.tolist()
        ]
        fed: dict[str, Tensor] = {latent.name: np.concatenate(rows)}
        if condition is not None:
            turns = (draws % len(condition.labels)).tolist()
            fed[condition.name] = encode_conditions(
                condition, input_of(signature, condition.name), turns
            )
        return fed


class DrawnLatents(Source):
    """The inputs of a generator that is itself the model to calibrate: drawn as its bundle says."""

    kind: Kind = "generated"

    def __init__(
        self,
        latent: Latent,
        condition: Condition | None,
        signature: Signature,
        count: int,
        *,
        seed: int,
    ) -> None:
        self._inputs = LatentInputs(latent, condition, seed=seed)
        self._signature = signature
        self._recipe = f"{latent!r} {condition!r} {seed}"
        self._seed = seed
        self._distribution = latent.distribution
        self.groups: Sequence[int] = range(count)

    @property
    def description(self) -> str:
        """How many, and from which distribution."""
        return f"{len(self.groups)} latents, {self._distribution}"

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """The distribution and the seed."""
        return {"latents": self._distribution, "seed": self._seed}

    def pictures(self, wanted: Indices) -> Iterator[ByteImage]:
        """None: a generator takes no pictures."""
        return iter(())

    def feeds(self, wanted: Indices) -> Iterator[dict[str, Tensor]]:
        """Each latent, and its condition where there is one, as a batch of 1."""
        for index in range(len(wanted)):
            yield self._inputs.feeds(wanted[index : index + 1], self._signature)

    def digests(self, wanted: Indices) -> Iterator[bytes]:
        """Of how latents are drawn, and the index."""
        return _digests(self._recipe, wanted)

    def group_name(self, group: int) -> str:
        """Its number: every one is a group of its own."""
        return f"latent {group}"


def _digests(recipe: str, indices: Indices) -> Iterator[bytes]:
    for index in indices.tolist():
        yield hashlib.sha256(f"{recipe} {index}".encode()).digest()
