"""The recipe of consistent distillation from drawn faces, killed between teachers and student."""

import json
import time

import pytest

CONFIG = """
from femo_jax.train.augment import Augmentation
from femo_jax.train.config import TrainConfig

config = TrainConfig(
    model_options={{"widths": (6, 8)}}, epochs=1, batch_size=64, eval_batch_size=64, warmup_epochs=0.0, ema_decay=0.9,
    {more}
)
"""


@pytest.mark.integration
def test_a_killed_recipe_resumes_with_its_teachers_as_they_are(femo, tmp_path):
    teacher, student, workdir = (tmp_path / name for name in ("teacher.py", "student.py", "W"))
    teacher.write_text(CONFIG.format(more=""))
    distilled = 'teachers=("default",), distillation_weight=1.0, dtype="bfloat16"'
    student.write_text(CONFIG.format(more=f"{distilled}, augmentation=Augmentation(mixup=1.0)"))
    command = ["distill", student, "--teacher-config", teacher, "--teacher-seeds", "4", "--data", femo.data]
    command += ["--workdir", workdir, "--loader", "numpy"]
    process = femo.start(*command)
    report, end = workdir / "teacher" / "seed4" / "flip.json", time.monotonic() + 400
    while not report.exists():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not (workdir / "student" / "seed0" / "report.json").exists()
    before = (workdir / "teacher" / "seed4" / "metrics.jsonl").read_bytes()

    femo.run(*command)
    assert (workdir / "teacher" / "seed4" / "metrics.jsonl").read_bytes() == before
    record = json.loads((workdir / "student" / "seed0" / "config.json").read_text())
    assert record["config"]["teachers"] == [str(workdir / "teacher" / "seed4")]
    rows = {row["label"]: row["seeds"] for row in json.loads((workdir / "sweep.json").read_text())}
    assert rows == {"teacher": [4], "student": [0]}
