"""Hints and palettes of a video, followed along its motion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from crosschroma.experiments.inference.palette import Recolor
from crosschroma.experiments.video.followed import FollowedColors
from crosschroma.models.color.hint_points import HintPoint

HEIGHT, WIDTH = 96, 128


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).random((HEIGHT, 2 * WIDTH)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return (smooth - smooth.min()) / np.ptp(smooth)


def frames(count: int, speed: int, seed: int = 0) -> list[np.ndarray]:
    """A camera that moves to the left, so that what it shows moves to the right."""
    whole = texture(seed)
    starts = [WIDTH - speed * number for number in range(count)]
    return [np.ascontiguousarray(whole[:, start : start + WIDTH]) for start in starts]


def test_a_hint_moves_with_its_place_from_its_frame_on() -> None:
    followed = FollowedColors([HintPoint(x=60, y=80, a=20, b=-30, frame=2)])
    places = [followed.step(frame, (2 * HEIGHT, 2 * WIDTH)) for frame in frames(8, 3)]
    assert [len(points) for points in places] == [0, 0, 1, 1, 1, 1, 1, 1]
    for number, (point,) in enumerate(places[2:]):
        assert (point.x, point.y) == (
            pytest.approx(60 + 6 * number, abs=1.5),
            pytest.approx(80, abs=1),
        )
        assert (point.a, point.b) == (20, -30)
    assert followed.notes() == []


def test_a_hint_is_lost_at_the_border_and_at_a_cut_and_it_says_so() -> None:
    hints = [HintPoint(x=120, y=50, a=0, b=9), HintPoint(x=40, y=50, a=0, b=9)]
    followed = FollowedColors([*hints, HintPoint(x=1, y=1, a=0, b=9, frame=99)])
    scene = [*frames(5, 3), *frames(3, 0, seed=1)]
    counts = [len(followed.step(frame, (HEIGHT, WIDTH))) for frame in scene]
    assert counts[0] == 2
    assert counts[4] == 1
    assert counts[5:] == [0, 0, 0]
    border, cut, late = followed.notes()
    assert "120, 50 of frame 0 was followed to frame" in border
    assert cut == "the hint at 40, 50 of frame 0 was followed to frame 4 of 7"
    assert late == "the hint at 1, 1 of frame 99 was not used: the video has 8 frames, from 0"


def test_what_is_followed_goes_on_from_a_state() -> None:
    hints = [HintPoint(x=30, y=40, a=5, b=5), HintPoint(x=60, y=20, a=5, b=5, frame=3)]
    own = [Recolor((1.0 + number, 2.0), (0.0, number), 2.0 * number) for number in range(6)]
    whole, resumed = FollowedColors(hints), FollowedColors(hints)
    for number, frame in enumerate(frames(6, 2)):
        expected = whole.step(frame, (HEIGHT, WIDTH)), whole.recolor(own[number])
        after = FollowedColors(hints)
        after.restore(resumed.state())
        assert (after.step(frame, (HEIGHT, WIDTH)), after.recolor(own[number])) == expected
        resumed = after


def test_a_palette_follows_the_scene_slowly_and_begins_anew_after_a_cut() -> None:
    followed = FollowedColors([])
    gains = []
    for frame, gain in zip([*frames(2, 1), *frames(1, 0, seed=1)], (1.0, 2.0, 3.0), strict=True):
        followed.step(frame, (HEIGHT, WIDTH))
        gains.append(followed.recolor(Recolor((gain, gain), (0.0, 0.0))).gain[0])
    assert gains == pytest.approx([1.0, 1.1, 3.0])
