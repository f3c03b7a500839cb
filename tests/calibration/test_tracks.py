"""Who is who in footage: simulated faces, and the real clips."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.tracks import FilmedTrack, Footage, TrackEvidence, calibrate_tracks
from edge.errors import UsageError
from edge.gallery.shots import Shot
from edge.types import Embedding, FloatArray
from tests.calibration.faces import footage, people, views


def evidence_of(*videos: Footage) -> TrackEvidence:
    return TrackEvidence(videos)


def crowd(seed: int, videos: int, together: int) -> tuple[list[Footage], FloatArray]:
    """Videos of people who are all different, and as many others."""
    random = np.random.default_rng(seed)
    population = people(random, videos * together + 1000)
    seen, fresh = population[: videos * together], population[videos * together :]
    groups = seen.reshape(videos, together, -1)
    return [footage(random, f"{n}.mp4", group) for n, group in enumerate(groups)], fresh


def fused(random: np.random.Generator, faces: FloatArray) -> FloatArray:
    means = np.stack([views(random, face, 8).mean(axis=0) for face in faces])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def test_the_promise_holds_without_anybody_saying_who_is_who() -> None:
    wanted, broken = 1e-2, 0
    for seed in range(6):
        videos, fresh = crowd(seed, 100, 4)
        evidence = TrackEvidence(videos)
        assert evidence.tracks == 400
        assert 150 < evidence.identities <= 400  # rather too few than too many
        chosen = calibrate_tracks(evidence, wanted=wanted, source="a simulation")
        assert 590 <= chosen.fmr.units <= 600
        vectors = fused(np.random.default_rng(seed), fresh)
        similarity = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        broken += (similarity >= chosen.value).mean() > wanted
        assert chosen.fnmr is not None
        assert chosen.fnmr.value < 0.02
    assert broken <= 1


def test_regulars_who_come_by_every_day_are_counted_once() -> None:
    random = np.random.default_rng(11)
    regulars = people(random, 5)
    days = [footage(random, f"day-{n}.mp4", regulars) for n in range(60)]
    evidence = TrackEvidence(days)
    assert (evidence.tracks, evidence.identities) == (300, 5)
    assert len(evidence.impostors(0.0)) == 10
    with pytest.raises(UsageError, match="found 10 pairs of 5 people in 60 videos"):
        calibrate_tracks(evidence, wanted=1e-2, source="60 videos")


def test_tracks_of_different_videos_prove_nothing() -> None:
    random = np.random.default_rng(12)
    alone = [footage(random, f"{n}.mp4", one[None]) for n, one in enumerate(people(random, 300))]
    evidence = TrackEvidence(alone)
    assert evidence.tracks == 300
    assert len(evidence.impostors(0.0)) == 0
    assert len(evidence.genuine(0.0)) > 0


def test_ten_frames_side_by_side_it_takes() -> None:
    pair = people(np.random.default_rng(13), 2)
    for frames, units in ((9, 0), (10, 1)):
        random = np.random.default_rng(14)
        evidence = evidence_of(footage(random, "a.mp4", pair, frames=frames))
        assert len(evidence.impostors(0.0)) == units


def test_two_who_were_seen_together_are_never_joined_however_alike() -> None:
    random = np.random.default_rng(15)
    twins = np.repeat(people(random, 1), 2, axis=0)
    evidence = TrackEvidence([footage(random, f"{n}.mp4", twins) for n in range(5)])
    assert evidence.identities >= 2
    found = evidence.impostors(0.0)
    assert (found.people[:, 0] != found.people[:, 1]).all()
    assert found.similarity.min() > 0.8


def test_a_track_with_too_few_views_that_agree_is_left_out() -> None:
    random = np.random.default_rng(16)
    pair = people(random, 2)
    assert evidence_of(footage(random, "a.mp4", pair, shots=2)).tracks == 0
    evidence = evidence_of(footage(random, "a.mp4", pair, shots=4))
    assert evidence.tracks == 2
    assert len(evidence.impostors(0.0)) == 1
    assert len(evidence.impostors(0.99)) == 0  # no two views are that alike
    assert len(evidence.genuine(0.0)) == 0  # half of four views names nobody


def test_a_track_that_passed_to_somebody_else_counts_as_whom_most_views_show() -> None:
    random = np.random.default_rng(17)
    one, other, third = people(random, 3)
    mixed = [*views(random, one, 5), *views(random, other, 3)]
    shots = [Shot(n, 0.8, Embedding(view, "space")) for n, view in enumerate(mixed)]
    beside = footage(random, "a.mp4", np.stack([one, third]))
    tracks = (FilmedTrack("a.mp4", 1, tuple(shots)), beside.tracks[1])
    evidence = evidence_of(Footage(tracks, {(1, 2): 40}, 40))
    (all_views,), (agreeing,) = (evidence.impostors(level).similarity for level in (0.0, 0.4))
    assert all_views != agreeing
    assert agreeing == pytest.approx(
        float(fused_of(mixed[:5]) @ fused_of([s.embedding.vector for s in tracks[1].shots])),
        abs=1e-6,
    )


def fused_of(vectors: list[FloatArray]) -> FloatArray:
    mean = np.mean(vectors, axis=0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def test_the_most_alike_pairs_are_named_first() -> None:
    random = np.random.default_rng(18)
    videos = [footage(random, f"{n}.mp4", people(random, 3), frames=20 + n) for n in range(3)]
    pairs = TrackEvidence(videos).seen_pairs(0.0)
    assert len(pairs) == 9
    assert [p.similarity for p in pairs] == sorted((p.similarity for p in pairs), reverse=True)
    assert {(p.video, p.frames) for p in pairs} == {("0.mp4", 20), ("1.mp4", 21), ("2.mp4", 22)}


def test_no_footage_is_no_evidence() -> None:
    for evidence in (TrackEvidence([]), evidence_of(Footage((), {}, 5))):
        assert (evidence.tracks, evidence.identities, evidence.seen_pairs(0.0)) == (0, 0, [])
        with pytest.raises(UsageError, match="found 0 pairs of 0 people"):
            calibrate_tracks(evidence, wanted=0.1, source="it")
