#!/usr/bin/env bash
# What `make demo` runs: recognition in an image and a clip, data to model file, ROS 2; a few minutes on two cores.
# Everything lands in demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

out=demo
rm -rf "$out"
mkdir -p "$out"

if [ -n "${FEMO_FER2013:-}" ]; then
    data=$FEMO_FER2013 config=smoke
    what="FER-2013 (PublicTest) after two epochs of a narrow network"
else
    data=drawn config=drawn
    what="DRAWN cartoon faces, whose accuracy means nothing for real faces; set FEMO_FER2013 to the path of FER-2013"
fi

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run python tools/demo_clip.py "$out/astronaut.png" "$out/astronaut.mp4"
run femo predict "$out/astronaut.png" --json "$out/astronaut.json" --output "$out/annotated"
run femo live "$out/astronaut.mp4" --output "$out/live.mp4" --log "$out/live.jsonl" --no-window
run femo report "$out/astronaut.mp4" -o "$out/report.html" --thumbnails
run femo plot "$out/live.jsonl" -o "$out/timeline.png"

run femo models
run femo train "$config" --data "$data" --workdir "$out/run"
run femo evaluate "$out/run" --data "$data" --split validation --json "$out/evaluation.json" --figure "$out/evaluation.png"
run femo export "$out/run" -o "$out/model.safetensors"
run femo evaluate "$out/model.safetensors" --data "$data" --split validation --tta flip --json "$out/flip.json"

(
    . .venv/ros/env.sh
    run python tools/ros_demo.py "$out/astronaut.mp4" "$out/ros.mp4" "$out/ros.jsonl" "$out/ros_bag"
)

accuracy() {
    python -c 'import json, sys; print("{accuracy:.1%}".format(**json.load(open(sys.argv[1]))))' "$1"
}

emotion=$(python -c 'import json, sys; print("{label} {confidence:.0%}".format(**json.load(open(sys.argv[1]))[0]["faces"][0]))' "$out/astronaut.json")
one=$(accuracy "$out/evaluation.json")
flip=$(accuracy "$out/flip.json")

cat <<END

Recognised with the model that ships with femo, in a photograph that scikit-image ships and a clip made from it.

  emotion                       $emotion
  $out/annotated/astronaut.png  the photograph with its face and emotion
  $out/astronaut.json           the same as numbers: box, label, confidence, probabilities
  $out/live.mp4                 the clip with its face followed; $out/astronaut.mp4 is the clip without
  $out/live.jsonl               a line a frame: times and faces
  $out/report.html              what happened in the clip: timelines, shares of time; $out/timeline.png is a figure of it

  femo live                     does the same with your camera

Trained and evaluated on $what.

  accuracy                  $one, and $flip with flip TTA
  $out/model.safetensors    the network in one portable file: weights, classes, normalisation
  $out/evaluation.png       confusion matrix and calibration
  $out/evaluation.json      accuracy with its interval, macro-F1, per-class results, NLL, ECE, confusion
  $out/run/curves.png       accuracy and loss by epoch
  $out/run/metrics.jsonl    the same as numbers
  $out/run/                 the run folder: checkpoints, configuration, report

On ROS 2, with a camera, the recogniser and a recorder as three processes:

  $out/ros.mp4                  the annotated images of topic /emotion_recognizer/image_annotated
  $out/ros.jsonl                the messages of topic /emotion_recognizer/faces
  $out/ros_bag                  a bag of images, faces and diagnostics, for ros2 bag play and Foxglove

  docs/robot.md                 says how to launch it on a robot
END
