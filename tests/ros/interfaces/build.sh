#!/bin/sh
# Builds interface packages that are not installed from their documented definitions: build.sh VENV TARGET PACKAGE...
set -eu
venv=$1 target=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
for package in "$@"; do
    mkdir -p "$target/src/$package"
    cp -r "$here/$package/msg" "$target/src/$package"
    # The packages whose messages are fields.
    dependencies=$(sed -nE 's|^([a-z_]+)/.*|\1|p' "$here/$package"/msg/*.msg | sort -u | tr '\n' ' ')
    for file in CMakeLists.txt package.xml; do
        sed -e "s|@PACKAGE@|$package|g" -e "s|@DEPENDENCIES@|$dependencies|g" "$here/$file.in" > "$target/src/$package/$file"
    done
done
export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv"
unset PYTHONPATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
MAKEFLAGS=-j$(getconf _NPROCESSORS_ONLN) COLCON_LOG_LEVEL=error "$venv/bin/python" -m colcon --log-base "$target/log" build \
    --base-paths "$target/src" --build-base "$target/build" --install-base "$target/install" --merge-install \
    --cmake-args -DBUILD_TESTING=OFF \
    "-DCMAKE_INSTALL_RPATH=$target/install/lib" -DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON \
    "-DCMAKE_PROJECT_INCLUDE=$here/../../../ros2_ws/wheels/ros_wheels_fix.cmake"
