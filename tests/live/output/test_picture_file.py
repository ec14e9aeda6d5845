import cv2
import numpy as np
import pytest

from femo_jax.errors import FemoError
from femo_jax.live.output.picture_file import write_picture

IMAGE = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)


def test_a_picture_comes_back(tmp_path):
    path = tmp_path / "new" / "face.png"
    write_picture(path, IMAGE)
    np.testing.assert_array_equal(cv2.imread(str(path)), IMAGE)


@pytest.mark.parametrize("name", ["face", "face.docx"])
def test_a_format_that_is_not_written_is_told(tmp_path, name):
    with pytest.raises(FemoError, match=f"{name}: .*try .png"):
        write_picture(tmp_path / name, IMAGE)
    assert not list(tmp_path.iterdir())
