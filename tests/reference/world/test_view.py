from __future__ import annotations

import math

import numpy as np
import pytest

from export.reference.world.view import View


def test_a_level_camera_projects_by_similar_triangles() -> None:
    view = View(height=1.5, pitch=0.0, focal=500, size=(640, 360))
    pixels, depths = view.project(np.asarray([[0, 1.5, 4], [1, 1.5, 5], [0, 0, 5]]))
    assert pixels == pytest.approx(np.asarray([[320, 180], [420, 180], [320, 330]]))
    assert depths == pytest.approx([4, 5, 5])


def test_a_camera_that_looks_down_sees_the_ground_in_its_middle() -> None:
    view = View(height=3.0, pitch=math.radians(45), focal=300, size=(200, 100))
    pixels, depths = view.project([[0, 0, 3]])
    assert pixels[0] == pytest.approx([100, 50])
    assert depths[0] == pytest.approx(3 * math.sqrt(2))


def test_rays_lead_back_to_where_points_were_seen() -> None:
    view = View(height=2.6, pitch=0.25, focal=280, size=(320, 192))
    rays = view.rays()
    ray = rays[150, 40]
    ground = view.place + ray * (view.height / -ray[1])
    assert view.project(ground)[0][0] == pytest.approx([40.5, 150.5])


def test_the_nearest_ground_is_at_the_lower_edge() -> None:
    view = View(height=2.6, pitch=0.25, focal=280, size=(320, 192))
    assert view.project([[0, 0, view.nearest_ground()]])[0][0, 1] == pytest.approx(192)
    assert math.isinf(View(height=2, pitch=-1.0, focal=280, size=(320, 192)).nearest_ground())


def test_half_width_is_where_the_ground_leaves_at_the_side() -> None:
    view = View(height=2.6, pitch=0.25, focal=280, size=(320, 192))
    assert view.project([[view.half_width(6.0), 0, 6.0]])[0][0, 0] == pytest.approx(320)
