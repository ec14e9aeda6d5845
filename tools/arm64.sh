#!/bin/sh
# Installs femo for ARM64 and recognises a drawn face with it, in an emulated Debian 12:
#
#   tools/arm64.sh FOLDER lite     recognition without JAX, on OpenCV
#   tools/arm64.sh FOLDER jax      recognition with JAX
#
# FOLDER must not exist; it takes 0.7 to 1.5 GB. On x86-64 Debian: apt install debootstrap qemu-user-static. Versions are
# those of requirements/lite.txt and constraints.txt. Two minutes. Ends with 2 where it cannot start.
set -eu

refuse() {
    echo "tools/arm64.sh: $*" >&2
    exit 2
}

[ $# -eq 2 ] || refuse "expected a new folder, and lite or jax"
folder=$1
what=$2
case $what in lite | jax) ;; *) refuse "$what: expected lite or jax" ;; esac
[ ! -e "$folder" ] || refuse "$folder exists"
for program in debootstrap qemu-aarch64-static; do
    command -v "$program" > /dev/null || refuse "no $program: apt install debootstrap qemu-user-static"
done
repository=$(cd "$(dirname "$0")/.." && pwd)

# Unpacked and not configured, which takes the kernel's help: the emulator runs its Python all the same.
debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,libgl1,libglib2.0-0 bookworm "$folder/debian"
for package in "$folder"/debian/var/cache/apt/archives/*.deb; do
    dpkg-deb -x "$package" "$folder/debian"
done

install() {
    python3 -m pip --disable-pip-version-check install --quiet --target "$folder/packages" --only-binary :all: \
        --python-version 3.11 --implementation cp --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux2014_aarch64 "$@"
}
python3 -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir "$folder" "$repository"
if [ "$what" = lite ]; then
    install --no-deps --require-hashes --requirement "$repository/requirements/lite.txt"
    install --no-deps --upgrade "$folder"/femo_jax-*.whl
else
    install --constraint "$repository/constraints.txt" "$folder"/femo_jax-*.whl
fi

cat > "$folder/smoke.py" << 'END'
import sys
import time

import numpy as np

from femo_jax import EmotionRecognizer
from femo_jax.data.drawn import draw_face
from femo_jax.emotions import Emotion

began = time.monotonic()
recognizer = EmotionRecognizer.load("small")
face = recognizer.cropped(draw_face(Emotion.HAPPY, np.random.default_rng(0)))
recognizer(np.zeros((240, 320, 3), np.uint8))  # the detector
assert ("jax" in sys.modules) == (sys.argv[1] == "jax")
print(f"{recognizer}: a drawn face is {face.label} ({face.confidence:.2f}), after {time.monotonic() - began:.0f} s")
END
env -u LD_LIBRARY_PATH PYTHONHOME="$folder/debian/usr" PYTHONPATH="$folder/packages" FEMO_CACHE="$folder/cache" \
    qemu-aarch64-static -L "$folder/debian" "$folder/debian/usr/bin/python3.11" -s "$folder/smoke.py" "$what"
