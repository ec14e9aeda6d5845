"""Writes the cards of the models that ship with femo: every figure is in the header of the model file.

python tools/cards.py
"""

import textwrap
from pathlib import Path

from rich.console import Console

from femo_jax import weights
from femo_jax.files import write_text
from femo_jax.model_file import LoadedModel, load_model_file
from femo_jax.models import create_model, model_cost

ABOUT = {
    "femonet-base": "The network that femo recognises emotions with unless it is told otherwise",
    "femonet-small": "A network of less than a million parameters, for small robots: `--model small`",
}


def card(name: str, path: Path) -> str:
    """The card of a model file."""
    model = load_model_file(path)
    cost = model_cost(create_model(model.architecture, **model.options))
    config, evaluation, calibration = (model.training[key] for key in ("config", "evaluation", "calibration"))
    low, high = (100 * share for share in evaluation["accuracy_interval"])
    nll, ece, chance = calibration["nll"], calibration["ece"], calibration["ece_by_chance"]
    recalls = "\n".join(f"| {label} | {100 * recall:.1f} % |" for label, recall in evaluation["recall"].items())
    return CARD.format(
        name=name,
        about=_wrapped(
            f"{ABOUT[name]}: from a grey face of 48 x 48 pixels to probabilities of angry, disgust, fear, happy,"
            " neutral, sad and surprise."
        ),
        architecture=model.architecture,
        size=f"{cost.parameters:,} parameters, {cost.multiply_adds / 1e6:.1f} M multiply-adds a face",
        megabytes=f"{path.stat().st_size / 1e6:.1f} MB",
        run=f"runs/{name}/seed{config['seed']}",
        seed=config["seed"],
        targets=_wrapped(_targets(model)),
        accuracy=f"{100 * evaluation['accuracy']:.2f} % (95 %: {low:.2f} to {high:.2f} %)",
        macro_f1=f"{100 * evaluation['macro_f1']:.2f} %",
        recalls=recalls,
        temperature=f"{model.temperature:.4f}",
        nll_before=f"{nll['before']:.4f} nats",
        nll_after=f"{nll['after']:.4f} nats",
        ece_before=f"{100 * ece['before']:.2f} %",
        ece_after=f"{100 * ece['after']:.2f} %",
        cross_fitted=_wrapped(
            f"Cross-fitted, with each picture judged by a temperature that it did not help to fit"
            f" ({calibration['folds']} folds), the calibration error is {100 * calibration['cross_fitted_ece']:.2f} %."
            f" Were every confidence right, chance alone would make it {100 * chance['mean']:.1f} % in the mean"
            f" ({100 * chance['low']:.1f} to {100 * chance['high']:.1f} %) with so few pictures."
            " So of the faces that get a confidence of 70 %, about 70 % carry the label that the network gives them, if"
            " they are like those of FER-2013."
        ),
    )


def _targets(model: LoadedModel) -> str:
    """What its training targets were made of beside the labels."""
    config = model.training["config"]
    votes, answers = config.get("vote_share", 0.0), config.get("soft_label_share", 0.0)
    parts = []
    if votes:
        parts.append(
            f"Of each training target {100 * votes:.0f} % came from the ten votes of FER+ (Barsoum et al. 2016) on the"
            " same picture; those on PublicTest were not used."
        )
    if answers:
        parts.append(
            f"Of each training target {100 * answers:.0f} % came from other networks' answers to the same picture"
            f" (Hinton et al. 2015): `{config['soft_labels']}`, made by `femo soft-labels` as the results say. Those"
            " networks, or the ones that they in turn learned from, learned from the ten votes of FER+ (Barsoum et al."
            " 2016) as well; votes on PublicTest were not used."
        )
    return " ".join(parts) or "No other labels were used."


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120)


CARD = """\
# {name}.safetensors

{about}

| | |
|---|---|
| network | [`{architecture}`](../models/{architecture}.py), {size} |
| file | {megabytes}, float16 parameters; computed in float32 |
| trained with | `femo train {name} --data fer2013 --workdir {run} --seed {seed}` |
| written with | `femo export {run} -o femo_jax/weights/{name}.safetensors --calibrate-on fer2013` |

`fer2013` is made by `femo data prepare fer2013.zip --data-dir fer2013 --ferplus ferplus.csv`, where `ferplus.csv` has
the votes of FER+ by the names of the zip's pictures (see the [results](../../experiments/results.md)). The file's
header holds the whole configuration, digests of the data, and the figures below.

## Data

FER-2013 (Goodfellow et al. 2013): pictures found on the web by searching for words of emotion, cropped automatically.
Trained on Training (28,709 pictures); the epoch was chosen and the temperature fitted on PublicTest (3,589).
PrivateTest was not touched. The labels are noisy: people agree with them in about 65 % of the pictures. 280 pictures of
PublicTest also occur in Training. Classes are uneven: 1.5 % of the pictures show disgust, 25 % show happy.
{targets}

## How good it is

On PublicTest, one view of each picture; `femo evaluate {name} --data fer2013`:

| measure | value |
|---|---|
| accuracy | {accuracy} |
| macro-F1 | {macro_f1} |

| emotion | recall |
|---|---:|
{recalls}

This is one of several runs, and its epoch was chosen on these very pictures, so the figures flatter a little; the
[results](../../experiments/results.md) have the mean over seeds, and what dark, blurred, badly cropped and covered
faces cost. Frames of a camera are not such pictures: expect less.

## Calibration

Logits are divided by a temperature of {temperature}, which has the least negative log-likelihood on PublicTest:

| measure | before | after |
|---|---:|---:|
| negative log-likelihood | {nll_before} | {nll_after} |
| expected calibration error, 15 bins | {ece_before} | {ece_after} |

{cross_fitted}

## Intended use

Research, teaching, art, and robots and interfaces that respond to what a face shows, where a wrong answer does no harm
and the person knows of the camera.

## Not for this

What a network says of a face is what people who looked at such pictures would call it. **It is not what a person
feels.** Faces do not tell feelings reliably (Barrett et al. 2019), many of the pictures are posed, and a third of the
labels are disputed. So it is not for decisions about people: hiring, schooling, policing, border control, credit,
insurance, medical or psychological diagnosis, lie detection, watching employees or crowds. Some of these uses are
forbidden by law in places; in the European Union, for one, emotion recognition at work and in schools
(Regulation 2024/1689, article 5).

## Limits

- It is unmeasured how accuracy differs with age, sex, skin colour and culture. FER-2013 has no such labels, and
  pictures that web searches found do not show people evenly. Measure on people like yours before you rely on it.
- It knows seven posed emotions and nothing between them; one is always the most probable. Talking, chewing, a beard,
  glasses, a mask or a hand may well move it.
- It sees one grey frontal face, without what came before or what surrounds it. Turned and tilted faces, strong shadows
  and faces of less than 48 pixels are unlike most of what it was trained on.

## Licence

The weights are under femo's MIT licence. FER-2013's pictures have terms of their own, set by those who published them
(the Kaggle competition "Challenges in Representation Learning: Facial Expression Recognition Challenge"); femo ships
none of the pictures and cannot give rights in them. Whether these terms bear on your use of weights that were trained
on them is yours to find out.

## References

- Goodfellow et al., Challenges in representation learning: A report on three machine learning contests, 2013,
  https://arxiv.org/abs/1307.0414
- Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599
- Barrett et al., Emotional Expressions Reconsidered, 2019, https://doi.org/10.1177/1529100619832930
- Hinton et al., Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531
- Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution, 2016,
  https://arxiv.org/abs/1608.01041
"""


def main() -> None:
    """Writes a card beside each model file."""
    for name in ABOUT:
        path = weights.model_path(name)
        write_text(path.with_suffix(".md"), card(name, path))
        Console().print(f"wrote {path.with_suffix('.md')}")


if __name__ == "__main__":
    main()
