import os

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, features

from femo_jax.errors import SourceError
from femo_jax.live.sources.images import ImageSource, find_images, read_image

_IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8), (0, 0), 3)


def _save(path, image=_IMAGE):
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif", ".webp"])
def test_colours_come_as_they_are(tmp_path, suffix):
    np.testing.assert_allclose(read_image(_save(tmp_path / f"a{suffix}")), _IMAGE, atol=8 if suffix == ".webp" else 0)


def test_jpg(tmp_path):
    assert np.abs(read_image(_save(tmp_path / "a.jpg")).astype(int) - _IMAGE).mean() < 5


def test_sixteen_bits_alpha_and_grey_become_eight_bit_colours(tmp_path):
    wide = read_image(_save(tmp_path / "wide.png", _IMAGE.astype(np.uint16) * 257))
    alpha = read_image(_save(tmp_path / "alpha.png", np.dstack([_IMAGE, np.full((30, 40), 7, np.uint8)])))
    grey = read_image(_save(tmp_path / "grey.png", _IMAGE[..., 0]))
    np.testing.assert_array_equal(wide, _IMAGE)
    on_white = (_IMAGE * 7.0 + 255 * 248) / 255
    np.testing.assert_allclose(alpha, on_white, atol=0.51)  # as a viewer shows it
    np.testing.assert_array_equal(grey, np.repeat(_IMAGE[..., :1], 3, axis=2))
    assert wide.dtype == alpha.dtype == grey.dtype == np.uint8


def test_an_image_is_turned_as_its_exif_data_state(tmp_path):
    jpg = cv2.imencode(".jpg", _IMAGE)[1].tobytes()
    # Tag 0x0112, orientation, of type short: 6, a quarter turn.
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + b"\0\x01" + b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0" + b"\0\0\0\0"
    path = tmp_path / "turned.jpg"
    path.write_bytes(jpg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpg[2:])
    assert read_image(path).shape == (40, 30, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_and_mirrored_as_its_boxes_state(tmp_path, orientation):
    """Pillow writes the orientation into the boxes `irot` and `imir`, and turns the image for comparison."""
    if not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    image, exif = Image.fromarray(corners), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.avif", exif=exif, quality=95, subsampling="4:4:4")
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))[..., ::-1]
    read = read_image(tmp_path / "a.avif")
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 20


def test_any_path_can_be_read(tmp_path):
    assert read_image(_save(tmp_path / "Gesicht ä 顔 %d [1].png")).shape == (30, 40, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.95])
def test_an_image_that_is_cut_off_is_an_error(tmp_path, suffix, part):
    path = _save(tmp_path / f"half{suffix}")
    contents = path.read_bytes()
    path.write_bytes(contents[: int(part * len(contents))])
    with pytest.raises(SourceError, match=rf"half{suffix}: not an image that OpenCV can read, or damaged"):
        read_image(path)


def test_the_end_of_a_thumbnail_is_not_that_of_a_jpg(tmp_path, monkeypatch):
    path = _save(tmp_path / "a.jpg")
    jpg = path.read_bytes()
    head = jpg[:2] + b"\xff\xe1" + (len(jpg) + 2).to_bytes(2, "big") + jpg
    path.write_bytes(head + jpg[2:] + b"more of the camera's maker")
    assert read_image(path).shape == (30, 40, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: _IMAGE)  # OpenCV 4.10 fills up what is missing
    path.write_bytes(head + jpg[2:-20])
    with pytest.raises(SourceError, match="damaged"):
        read_image(path)


def test_fill_bytes_before_a_marker_are_no_damage(tmp_path):
    whole = cv2.imencode(".jpg", np.full((32, 32, 3), 90, np.uint8))[1].tobytes()
    place = whole.index(b"\xff\xdb")
    filled = tmp_path / "filled.jpg"
    filled.write_bytes(whole[:place] + b"\xff\xff" + whole[place:])
    assert read_image(filled).shape == (32, 32, 3)
    filled.write_bytes(filled.read_bytes()[:-20])
    with pytest.raises(SourceError, match="damaged"):
        read_image(filled)


def test_a_missing_file_or_a_folder_is_an_error(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(SourceError, match=rf"{path}: cannot be read"):
            read_image(path)


@pytest.fixture
def folder(tmp_path):
    """Images 1, 2 and 10, one in a subfolder, and files that are none."""
    (tmp_path / "sub").mkdir()
    for name, value in (("b10.png", 10), ("b2.png", 2), ("B1.PNG", 1), ("sub/c.png", 3), (".hidden.png", 4)):
        (tmp_path / name).write_bytes(cv2.imencode(".png", np.full((4, 4, 3), value, np.uint8))[1].tobytes())
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def _names(paths):
    return [path.name for path in paths]


def test_a_folder_gives_its_own_images_in_natural_order(folder):
    assert _names(find_images(str(folder))) == ["B1.PNG", "b2.png", "b10.png"]


def test_a_pattern_gives_what_it_names(folder):
    assert _names(find_images(str(folder / "b*"))) == ["b2.png", "b10.png"]
    assert _names(find_images(str(folder / "**" / "*.png"))) == ["b2.png", "b10.png", "c.png"]


def test_no_image_is_an_error_that_helps(folder, tmp_path):
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"empty: there is no image \(\.jpg .*subfolders are '.*empty/\*\*/\*\.jpg'"):
        find_images(str(tmp_path / "empty"))
    with pytest.raises(SourceError, match=r"z\*\.png: there is no image"):
        find_images(str(folder / "z*.png"))


def test_single_images_stand_alone(folder):
    with ImageSource(find_images(str(folder))) as source:
        frames = list(source)
        assert not source.live
        assert source.frames_per_second is None
    assert [(frame.index, frame.time, frame.still) for frame in frames] == [(0, 0, True), (1, 1, True), (2, 2, True)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [1, 2, 10]
    assert frames[2].name == str(folder / "b10.png")


def test_images_with_a_rate_are_the_frames_of_a_clip(folder):
    source = ImageSource(find_images(str(folder)), rate=10)
    assert source.frames_per_second == 10
    assert [(frame.time, frame.still) for frame in source] == [(0, False), (0.1, False), (0.2, False)]


def test_unreadable_images_are_left_out_and_counted(folder, caplog):
    (folder / "b2.png").write_bytes(b"none")
    source = ImageSource(find_images(str(folder)), rate=10)
    assert [(frame.index, frame.time) for frame in source] == [(0, 0), (2, 0.2)]
    assert source.unreadable == 1
    assert "b2.png: not an image that OpenCV can read, or damaged (4 bytes)" in caplog.text


def test_if_none_can_be_read_it_is_an_error(folder):
    path = folder / "b2.png"
    path.write_bytes(b"none")
    with pytest.raises(SourceError, match=r"b2\.png: not an image"):
        list(ImageSource([path]))


def test_closing_ends_iterating(folder):
    source = ImageSource(find_images(str(folder)))
    next(iter(source))
    source.close()
    assert list(source) == []


def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"a\.png: a named pipe"):
        read_image(tmp_path / "a.png")
    with pytest.raises(SourceError, match="there is no image"):
        find_images(str(tmp_path))


@pytest.mark.parametrize("name", ["a.JFIF", "a.avif", "a.gif", "photo", "photo.dat"])
def test_images_of_a_folder_are_known_by_content_where_the_suffix_is_another(tmp_path, name):
    suffix = {"a.JFIF": ".jpg", "photo": ".png", "photo.dat": ".webp"}.get(name, name[1:])
    _save(tmp_path / f"original{suffix}").rename(tmp_path / name)
    (tmp_path / "notes.txt").write_text("BM, not an image")
    (tmp_path / ".hidden.txt").touch()
    left_out = []
    (path,) = find_images(str(tmp_path), left_out)
    assert left_out == [tmp_path / "notes.txt"]
    assert read_image(path).shape == _IMAGE.shape


def test_links_that_lead_nowhere_or_to_themselves_are_not_images(tmp_path):
    _save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("nowhere")
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert find_images(str(tmp_path)) == [tmp_path / "a.png"]
    with pytest.raises(SourceError, match=r"loop\.png: cannot be read .Too many levels"):
        read_image(tmp_path / "loop.png")


def test_what_a_decoder_prints_goes_into_the_message_and_not_to_the_terminal(tmp_path, capfd, caplog):
    path = _save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    contents = bytearray(path.read_bytes())
    contents[60:200] = bytes(140)
    path.write_bytes(contents)
    with pytest.raises(SourceError, match=r"a\.png: not an image .*bytes; .+\)"):
        read_image(path)
    jpg = _save(tmp_path / "b.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(jpg[:-2] + b"\x00" * 50 + jpg[-2:])
    read_image(tmp_path / "b.jpg")
    assert capfd.readouterr() == ("", "")
    assert "b.jpg: Corrupt JPEG data" in caplog.text
