#!/bin/sh
# What the images install. Every RUN line of the Dockerfiles in this folder is a call of this script, from the folder
# with femo's sources; tests/test_containers.py runs it with programs that only record what they are given.
#
#   docker/install.sh lite VENV     recognition without JAX, on OpenCV
#   docker/install.sh jax VENV      recognition with JAX
#   docker/install.sh train VENV    training, with oneDNN built where it has packages (x86-64)
#   docker/install.sh ros VENV      recognition without JAX and the ROS 2 workspace; ROS 2 is sourced
#
# Versions are those of constraints.txt and requirements/. Ends with 2 where it cannot start.
set -eu

refuse() {
    echo "docker/install.sh: $*" >&2
    exit 2
}

[ $# -eq 2 ] || refuse "expected lite, jax, train or ros and the folder of a new virtual environment"
[ -f pyproject.toml ] || refuse "no pyproject.toml in $(pwd); run it in the folder with femo's sources"
what=$1
venv=$2

apt_install() {
    apt-get update
    apt-get install --yes --no-install-recommends "$@"
    rm -rf /var/lib/apt/lists/*
}

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-cache-dir "$@"
}

# The lock has the headless build of OpenCV.
install_lite() {
    pip install --require-hashes --requirement requirements/lite.txt
    pip install --no-deps .
}

# Both builds of OpenCV install the same folder, so that one has to go before the other comes.
install_headless() {
    pip install --constraint constraints.txt "$1"
    pip uninstall --yes opencv-python
    pip install --no-deps "$(sed -n 's/^\(opencv-python-headless==[^ ]*\).*/\1/p' requirements/lite.txt)"
}

case $what in
    lite)
        python3 -m venv "$venv"
        install_lite
        ;;
    jax)
        python3 -m venv "$venv"
        install_headless .
        ;;
    train)
        apt_install g++
        python3 -m venv "$venv"
        install_headless ".[train,onednn]"
        # The built library stays root's, since femo loads none that another user can write; beside it anybody may
        # keep what else femo caches.
        mkdir -p "$venv/cache"
        FEMO_CACHE=$venv/cache "$venv/bin/python" -m femo_jax.ops.native
        chmod 1777 "$venv/cache"
        ;;
    ros)
        [ -n "${AMENT_PREFIX_PATH:-}" ] || refuse "no ROS 2 is sourced; call it as /ros_entrypoint.sh docker/install.sh"
        apt_install python3-venv
        # ROS's Python packages are the system's.
        python3 -m venv --system-site-packages "$venv"
        install_lite
        ros2_ws/wheels/build.sh "$venv"
        ;;
    *)
        refuse "$what: expected lite, jax, train or ros"
        ;;
esac
