import zipfile

import pytest

from femo_jax.data.archive import open_archive, open_member
from femo_jax.data.forms import iterate_faces
from femo_jax.errors import DataError


def test_files_of_a_zip_and_of_a_folder(forms):
    for path in (forms.zip(), forms.unpacked()):
        with open_archive(path) as archive:
            assert list(archive.names) == sorted(forms.jpgs)
            for name in archive.names:
                with open_member(archive, name) as file:
                    assert file.read() == forms.jpgs[name]


def test_a_file_by_itself_and_a_tar(forms):
    for path in (forms.csv(), forms.tar()):
        with open_archive(path) as archive, open_member(archive, archive.names[-1]) as file:
            assert file.read() == forms.csv_text().encode()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_a_truncated_archive_is_named(forms, form, share):
    path = getattr(forms, form)()
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=rf"{path.name}.*(cut off|damaged)"):
        list(iterate_faces(path))


def test_a_damaged_file_in_a_zip_is_named(forms):
    path = forms.zip()
    name = "train/fear/Training_4.jpg"
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        middle = archive.getinfo(name).header_offset + 300
    content[middle] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: cannot be read"):
        list(iterate_faces(path))
