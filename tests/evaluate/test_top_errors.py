import numpy as np
import pytest

from femo_jax.data.ferplus import VOTES
from femo_jax.data.splits import Split
from femo_jax.emotions import EMOTIONS
from femo_jax.errors import ConfigError, FemoError
from femo_jax.evaluate.top_errors import MAX_COUNT, TopError, check_count, majority_of, select_top_errors
from femo_jax.evaluate.top_errors import sheet_title as title_of
from femo_jax.figures.top_errors import plot_top_errors


def votes_for(**votes: int) -> np.ndarray:
    return np.array([votes.get(word.replace("-", "_"), 0) for word in VOTES], np.uint8)


@pytest.fixture
def probabilities() -> np.ndarray:
    """Six images: by index the predicted class and its probability; those of 1 and 3 are right."""
    predicted, confidence = [0, 1, 2, 3, 4, 5], [0.5, 0.99, 0.7, 0.6, 0.9, 0.7]
    probabilities = np.repeat((1 - np.array(confidence))[:, None] / 6, 7, axis=1)
    probabilities[np.arange(6), predicted] = confidence
    return probabilities


@pytest.fixture
def split() -> Split:
    images = np.broadcast_to(np.linspace(0, 250, 48).astype(np.uint8)[:, None, None], (6, 48, 48, 1))
    return Split(
        images, np.array([6, 1, 6, 3, 6, 6]), np.array([f"test/surprise/PublicTest_{i}.jpg" for i in range(6)])
    )


def test_the_most_confident_errors_come_first(probabilities, split):
    found = select_top_errors(probabilities, split)
    assert [mistake.index for mistake in found] == [4, 2, 5, 0]
    assert found[0] == TopError(4, "surprise", "neutral", pytest.approx(0.9), ())
    assert select_top_errors(probabilities, split, count=2) == found[:2]


def test_no_mistakes(split):
    assert select_top_errors(np.eye(7)[split.labels], split) == []


def test_votes_go_with_the_images(probabilities, split):
    votes = np.stack([votes_for(), *[votes_for(fear=9)] * 3, votes_for(neutral=6, sadness=4), votes_for(NF=0)])
    found = select_top_errors(probabilities, split._replace(votes=votes))
    assert [mistake.majority for mistake in found] == [("neutral",), ("fear",), (), ()]


@pytest.mark.parametrize(
    ("votes", "majority"),
    [
        (votes_for(happiness=6, neutral=4), ("happy",)),
        (votes_for(anger=5, sadness=5), ("sad", "angry")),
        (votes_for(contempt=8, disgust=2), ("contempt",)),
        (votes_for(not_a_face=10), ("not-a-face",)),
        (votes_for(), ()),
    ],
)
def test_the_majority_is_in_femos_words(votes, majority):
    assert majority_of(votes) == majority


def test_every_emotion_of_the_votes_is_one_of_femo():
    words = {majority_of(votes)[0] for votes in np.eye(10, dtype=np.uint8)}
    assert words == {*EMOTIONS, "contempt", "unknown", "not-a-face"}


def test_title_says_with_whom_the_voters_side():
    sure = TopError(0, "fear", "angry", 0.9)
    assert title_of([sure] * 2, 1222) == "the 2 most confident of 1,222 errors"
    majorities = [("angry",), ("angry",), ("fear",), ("angry", "fear"), ("unknown",), ()]
    voted = [sure._replace(majority=majority) for majority in majorities]
    assert title_of(voted, 9).splitlines()[1] == "FER+ majority vote: 2 as predicted, 1 as labelled, of 5"


def test_the_sheet_says_what_is_wrong_and_where(probabilities, split, tmp_path):
    votes = np.stack([votes_for(neutral=3, happiness=3)] * 6)
    plot_top_errors(
        select_top_errors(probabilities, split._replace(votes=votes)), split, tmp_path / "sheet.svg", "femonet on test"
    )
    drawn = (tmp_path / "sheet.svg").read_text()
    for words in ("femonet on test", "surprise → neutral 90 %", "FER+: neutral / happy", "PublicTest_4.jpg"):
        assert f"<!-- {words} -->" in drawn
    assert drawn.index("neutral 90 %") < drawn.index("fear 70 %") < drawn.index("angry 50 %")
    assert drawn.count("<image") == 4
    assert "PublicTest_1.jpg" not in drawn and "test/surprise" not in drawn


def test_without_votes_or_mistakes(probabilities, split, tmp_path):
    plot_top_errors(select_top_errors(probabilities, split), split, tmp_path / "sheet.svg", "")
    assert "FER+" not in (tmp_path / "sheet.svg").read_text()
    plot_top_errors([], split, tmp_path / "none.svg", "none")
    assert "<image" not in (tmp_path / "none.svg").read_text()


def test_nothing_is_drawn_outside_the_sheet(probabilities, split, tmp_path, monkeypatch):
    from femo_jax.figures import top_errors as module

    figures = []

    class Kept(module.Figure):
        def savefig(self, *arguments, **options):
            figures.append(self)
            return super().savefig(*arguments, **options)

    monkeypatch.setattr(module, "Figure", Kept)
    found = select_top_errors(probabilities, split._replace(votes=np.stack([votes_for(fear=3)] * 6))) * 5  # three rows
    plot_top_errors(found, split, tmp_path / "sheet.png", "two\nlines")
    (figure,) = figures
    texts = [text.get_window_extent() for axes in figure.axes for text in axes.texts]
    assert len(texts) == 60
    for text in texts:
        assert text.y0 >= 0 and text.y1 <= figure.bbox.height
    assert not any(one.overlaps(other) for i, one in enumerate(texts) for other in texts[i + 1 :])


@pytest.mark.parametrize("count", [0, -3, MAX_COUNT + 1])
def test_a_count_of_no_use(count):
    with pytest.raises(ConfigError, match=f"--top-errors-count is {count}; expected 1 to {MAX_COUNT}"):
        check_count(count)


def test_an_unknown_format(split, tmp_path):
    with pytest.raises(FemoError, match="unknown figure format"):
        plot_top_errors([], split, tmp_path / "sheet.jpeg", "")
