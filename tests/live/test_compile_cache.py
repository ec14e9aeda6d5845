import logging
import threading
import warnings

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from femo_jax.live.compile_cache import persistent_cache

OPTIONS = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Femo's cache folder, in a JAX without a setting of where to keep what it compiles."""
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    _set_cache_folder(None)
    yield tmp_path / "xla"
    _set_cache_folder(before)


def _set_cache_folder(path):
    jax.config.update("jax_compilation_cache_dir", path)
    compilation_cache.reset_cache()


def compile_new(number: int) -> None:
    """Compiles a function that JAX has not seen; of the same number, the same function."""
    jax.jit(lambda x: x * number + 1).lower(1.0).compile()


def test_what_is_compiled_is_kept_however_fast_it_was(folder):
    with persistent_cache():
        compile_new(11)
    assert len(list(folder.iterdir())) == 1


def test_what_was_kept_is_not_compiled_again(folder, caplog):
    with persistent_cache():
        compile_new(12)
    with caplog.at_level(logging.DEBUG, "jax._src.compiler"), persistent_cache():
        compile_new(12)
    assert "Persistent compilation cache hit" in caplog.text


def test_nothing_is_kept_outside_the_block(folder):
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    with persistent_cache():
        compile_new(13)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        compile_new(14)
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", before[OPTIONS[1]])
    assert len(list(folder.iterdir())) == 1
    assert {name: getattr(jax.config, name) for name in OPTIONS} == before


def test_an_error_in_the_block_leaves_the_options_as_they_were(folder):
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    with pytest.raises(KeyError), persistent_cache():
        raise KeyError
    assert {name: getattr(jax.config, name) for name in OPTIONS} == before


def test_the_users_own_folder_is_used(folder, tmp_path):
    own = tmp_path / "own"
    _set_cache_folder(str(own))
    with persistent_cache():
        compile_new(15)
    assert len(list(own.iterdir())) == 1
    assert not folder.exists()
    assert jax.config.jax_compilation_cache_dir == str(own)


def test_without_a_folder_to_write_nothing_is_kept_and_nothing_is_said(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FEMO_CACHE", str(tmp_path / "file"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with persistent_cache():
            compile_new(16)


def test_damaged_entries_are_replaced_with_one_line(folder):
    """As a full disk leaves them: JAX alone would warn at every start, and never store the entry again."""
    with persistent_cache():
        compile_new(21)
        compile_new(22)
    first, second = sorted(folder.iterdir())
    whole = {path: path.read_bytes() for path in (first, second)}
    first.write_bytes(whole[first][: len(whole[first]) // 2])
    second.write_bytes(b"")
    jax.clear_caches()
    with (
        pytest.warns(UserWarning, match="removed 2 damaged files of JAX's compilation cache") as shown,
        persistent_cache(),
    ):
        compile_new(21)
        compile_new(22)
    assert len(shown) == 1
    assert {path.name for path in folder.iterdir()} == {first.name, second.name}
    jax.clear_caches()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with persistent_cache():
            compile_new(21)
            compile_new(22)


def test_threads_that_compile_at_once_leave_the_options_as_they_were(folder):
    """Each restores what it found: without a lock, that may be what another one set."""
    before = {name: getattr(jax.config, name) for name in OPTIONS}
    first_inside, second_asked = threading.Event(), threading.Event()

    def first():
        with persistent_cache():
            first_inside.set()
            second_asked.wait(0.2)  # without a lock, the second enters meanwhile and leaves after the first

    def second():
        first_inside.wait()
        with persistent_cache():
            second_asked.set()
            one.join(0.2)

    one, two = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    two.start()
    one.join()
    two.join()
    assert {name: getattr(jax.config, name) for name in OPTIONS} == before
