"""Frames are made from images and clips so that the true boxes stay true."""

import cv2
import numpy as np
import pytest
from frames import SHAPE, write_scenes

from femo_jax.errors import FemoError
from femo_jax.live.image import Box, overlaps


def square(width, height, x, y, size):
    image = np.zeros((height, width, 3), np.uint8)
    image[y : y + size, x : x + size] = 255
    return image


def read(path, scene):
    return np.fromfile(path, np.uint8).reshape(-1, *SHAPE)[scene.first : scene.first + len(scene.times)]


def bright(frame):
    return Box(*cv2.boundingRect((frame[..., 0] > 127).astype(np.uint8)))


def write_truth(folder, attributes, boxes):
    lines = [f"<box left='{x}' top='{y}' width='{w}' height='{h}'/>" for x, y, w, h in boxes]
    (folder / "truth.xml").write_text(
        f"<dataset><images><image {attributes}>{''.join(lines)}</image></images></dataset>"
    )


@pytest.mark.parametrize(("width", "height"), [(1000, 500), (300, 400)])
def test_an_image_moves_and_its_true_box_with_it(tmp_path, width, height):
    cv2.imwrite(str(tmp_path / "a.png"), square(width, height, 100, 80, 120))
    write_truth(tmp_path, "file='a.png'", [(100, 80, 120, 120)])
    (scene,) = write_scenes(tmp_path / "raw", tmp_path, image_frames=20)
    frames = read(tmp_path / "raw", scene)
    boxes = [bright(frame) for frame in frames]
    assert overlaps(boxes, [truth[0] for truth in scene.truth]).diagonal().min() > 0.95
    assert np.ptp([box.center for box in boxes], axis=0).min() > 2
    assert all(abs(box.w - box.h) <= 1 for box in boxes)
    assert scene.times == pytest.approx(np.arange(20) / 30)


def test_a_clip_keeps_its_frames_times_and_shape(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "b.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 180))
    for index in range(5):
        writer.write(square(320, 180, 40 + 20 * index, 60, 60))
    writer.release()
    write_truth(tmp_path, "file='b.avi' frame='3'", [(100, 60, 60, 60)])
    (scene,) = write_scenes(tmp_path / "raw", tmp_path, image_frames=20)
    frames = read(tmp_path / "raw", scene)
    assert scene.times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [truth is not None for truth in scene.truth] == [False, False, False, True, False]
    assert overlaps([bright(frames[3])], scene.truth[3])[0, 0] > 0.9
    assert not frames[:, :55].any() and not frames[:, -55:].any()


def test_scenes_follow_each_other_in_one_file(tmp_path):
    for name, x in (("a.jpg", 0), ("b.jpg", 320)):
        cv2.imwrite(str(tmp_path / name), square(640, 480, x, 80, 300))
    first, second = write_scenes(tmp_path / "raw", tmp_path, image_frames=3)
    assert (first.name, first.first, second.name, second.first) == ("a.jpg", 0, "b.jpg", 3)
    assert bright(read(tmp_path / "raw", first)[0]).x < 20 < 300 < bright(read(tmp_path / "raw", second)[0]).x
    assert first.truth == [None] * 3


@pytest.mark.parametrize("name", ["a.jpg", "a.mp4"])
def test_damaged_files_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(FemoError, match=rf"{name}: cannot be read"):
        write_scenes(tmp_path / "raw", tmp_path, image_frames=3)


def test_a_folder_without_scenes(tmp_path):
    with pytest.raises(FemoError, match="no images or clips"):
        write_scenes(tmp_path / "raw", tmp_path / "nowhere", image_frames=3)
