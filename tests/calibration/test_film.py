"""What the camera's own stages see in footage: real models and real videos of the small world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibration.tracks import TOGETHER_FRAMES, Footage, film
from edge.assembly import load_models
from edge.config import load_site
from edge.errors import MediaError, SiteFileError, UsageError
from edge.pipeline import Scene
from tests.calibration.conftest import PLACES, group_picture, without_threshold
from tests.small_world import (
    FACE,
    SIDE,
    Image,
    World,
    detector_model,
    make_world,
    portrait,
    recogniser_model,
)
from tests.small_world import (
    film as write_video,
)


def watched(world: World, *pictures: Image, count: int = 40) -> Footage:
    video = write_video(world.folder / "clip.mp4", [one for one in pictures for _ in range(count)])
    with load_models(load_site(world.site), needs_point=False) as loaded:
        return film(loaded.models, video)


def test_everybody_who_is_good_is_seen_beside_everybody_else(crowd: World) -> None:
    footage = watched(crowd, group_picture([1, 2, 3, 4, 5, 6]))
    assert len(footage.tracks) == 6
    assert len(footage.together) == 15
    # A track is confirmed by its third sighting.
    assert set(footage.together.values()) == {38}
    assert footage.frames == 40
    assert all(len(track.shots) >= 3 for track in footage.tracks)
    indices = [shot.frame_index for shot in footage.tracks[0].shots]
    assert indices == sorted(indices)


def test_only_frames_in_which_both_are_good_count(crowd: World) -> None:
    few = TOGETHER_FRAMES - 1
    video = write_video(
        crowd.folder / "clip.mp4",
        [group_picture([1, None, 3, 4, 5, 6])] * 30 + [group_picture([1, 2, 3, 4, 5, 6])] * few,
    )
    with load_models(load_site(crowd.site), needs_point=False) as loaded:
        footage = film(loaded.models, video)
    late = [frames for frames in footage.together.values() if frames <= few]
    assert len(late) == 5
    assert len(footage.together) == 15


def test_boxes_that_touch_may_be_one_face_twice(tmp_path: Path) -> None:
    places = ((16, 16, 112, 112), (80, 16, 176, 112), (208, 16, 304, 112))
    (tmp_path / "detector.onnx").write_bytes(detector_model(places))
    (tmp_path / "recogniser.onnx").write_bytes(recogniser_model())
    world = without_threshold(make_world(tmp_path, tmp_path))
    picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
    for person, (x1, y1, x2, y2) in enumerate(places):
        picture[y1:y2, x1:x2] = portrait(person)[FACE[1] : FACE[3], FACE[0] : FACE[2]]
    footage = watched(world, picture)
    assert len(footage.tracks) == 3
    left = {t.track_id for t in footage.tracks}
    assert len(footage.together) == 2
    (shared,) = set.intersection(*[set(pair) for pair in footage.together])
    assert {one for pair in footage.together for one in pair} == left
    assert shared in left


def test_whoever_watches_is_shown_every_frame(crowd: World) -> None:
    seen: list[Scene] = []
    video = write_video(crowd.folder / "clip.mp4", [group_picture([1, 2])] * 12)
    with load_models(load_site(crowd.site), needs_point=False) as loaded:
        film(loaded.models, video, watch=seen.append)
        with pytest.raises(MediaError):
            film(loaded.models, crowd.folder / "absent.mp4")
    assert [scene.frame.index for scene in seen] == list(range(12))


def test_models_load_without_a_threshold_only_where_nobody_is_named(crowd: World) -> None:
    site = load_site(crowd.site)
    with load_models(site, needs_point=False) as loaded:
        assert loaded.point is None
    with pytest.raises(SiteFileError, match="no threshold"), load_models(site):
        pass


def test_without_a_recogniser_there_is_nothing_to_compare(crowd: World) -> None:
    crowd.edit('recogniser = "recogniser-bundle"\n', "")
    with (
        load_models(load_site(crowd.site), needs_point=False) as loaded,
        pytest.raises(UsageError, match="needs a recogniser"),
    ):
        film(loaded.models, crowd.folder / "any.mp4")


def test_the_places_of_this_world_do_not_touch() -> None:
    for one in PLACES:
        for other in PLACES:
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert one == other or apart or one[3] <= other[1] or other[3] <= one[1]
