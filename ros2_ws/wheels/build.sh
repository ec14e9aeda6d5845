#!/bin/sh
# Builds the workspace into VENV/ros, and writes VENV/ros/env.sh, which is to be sourced before its use:
#
#   ros2_ws/wheels/build.sh .venv
#   . .venv/ros/env.sh
#   python -m femo_ros.emotion_recognizer
#
# Where a ROS 2 is sourced, that one is used. Elsewhere ROS 2 Jazzy, or Kilted with `kilted` as second argument, is
# installed into VENV from wheels; this takes x86-64 Linux, Python 3.10 to 3.13 and a C++ compiler. It may be run again
# at any time. It ends with 2 where it cannot start, and with 1 where a build fails.
set -eu

refuse() {
    echo "ros2_ws/wheels/build.sh: $*" >&2
    exit 2
}

[ -x "${1:-}/bin/python" ] || refuse "expected the folder of a virtual environment, as \`make ros\` makes it"
venv=$(cd "$1" && pwd)
python=$venv/bin/python
ros=$venv/ros
repository=$(cd "$(dirname "$0")/../.." && pwd)
case ${2:-jazzy} in
    jazzy) requirements=$repository/requirements/ros.txt ;;
    kilted) requirements=$repository/requirements/ros-kilted.txt ;;
    *) refuse "no wheels of ROS 2 $2; expected jazzy or kilted" ;;
esac

has_module() {
    "$python" -c "import $1" 2>/dev/null
}

# With JAX or without it, see docs/deploy.md. Not from the current folder, which may be the clone.
has_femo() {
    (cd / && env -u PYTHONPATH "$python" -c "import femo_jax, cv2") 2>/dev/null
}

# More options for `colcon build` may follow; the caller defines run_colcon.
build() {
    # Both take a second, and what is no longer in their sources must not stay.
    rm -rf "$ros/build/femo_ros" "$ros/install/femo_ros" "$ros/build/femo_recognition" "$ros/install/femo_recognition"
    # Left to itself, colcon has make wait for a time when the machine is idle.
    MAKEFLAGS=-j$(getconf _NPROCESSORS_ONLN) COLCON_LOG_LEVEL=error run_colcon --log-base "$ros/log" build --base-paths "$repository/ros2_ws/src" \
        --build-base "$ros/build" --install-base "$ros/install" --event-handlers console_cohesion+ "$@" \
        > "$ros/build.txt" 2>&1 || {
        cat "$ros/build.txt" >&2
        echo "ros2_ws/wheels/build.sh: the build failed; what it said is above. After changes to ROS itself, remove" \
            "$ros and try again." >&2
        exit 1
    }
}

build_with_sourced_ros() {
    has_module rclpy || refuse "$("$python" --version) in $venv cannot import rclpy of ROS 2 $ROS_DISTRO. The virtual" \
        "environment must be made by the Python that ROS uses: make clean, then make ros PYTHON=/usr/bin/python3."
    has_femo || "$python" -m pip install --quiet --constraint "$repository/constraints.txt" --editable "$repository"
    # ROS's own Python builds: a virtual environment lacks the modules that generate messages.
    run_colcon() {
        env -u VIRTUAL_ENV PATH="$(without_venv)" colcon "$@"
    }
    build
    cat > "$ros/env.sh" <<END
# Made by ros2_ws/wheels/build.sh: femo's workspace on ROS 2 $ROS_DISTRO, with the Python of $venv.
. "$ros/install/setup.sh"
case ":\$PATH:" in ":$venv/bin:"*) ;; *) export PATH="$venv/bin:\$PATH" ;; esac
END
}

without_venv() {
    echo "$PATH" | tr ':' '\n' | grep -vxF "$venv/bin" | paste -sd ':'
}

build_with_wheels() {
    here=$("$python" - <<'END'
import platform, sys
if not (sys.platform == "linux" and platform.machine() == "x86_64" and (3, 10) <= sys.version_info[:2] <= (3, 13)):
    print(f"Python {sys.version_info[0]}.{sys.version_info[1]} on {platform.system()} {platform.machine()}")
END
    )
    [ -z "$here" ] || refuse "there are wheels of ROS 2 for Python 3.10 to 3.13 on x86-64 Linux alone, and this is" \
        "$here: install and source ROS 2, see https://docs.ros.org."
    for program in c++ make; do
        command -v "$program" > /dev/null || refuse "no $program, which building messages takes. On Debian and Ubuntu:" \
            "sudo apt install build-essential python3-dev"
    done
    "$python" -c "import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path('include'), 'Python.h').exists())" ||
        refuse "no Python.h for $("$python" --version). On Debian and Ubuntu: sudo apt install python3-dev"

    installed=$ros/.installed
    if ! [ "$installed" -nt "$requirements" ]; then
        "$python" -m pip install --quiet --require-hashes --requirement "$repository/requirements/pip.txt"
        "$python" -m pip install --quiet --require-hashes --requirement "$requirements"
        touch "$installed"
    fi
    has_femo || "$python" -m pip install --quiet --no-deps --no-build-isolation --editable "$repository"

    export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH" AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv"
    unset PYTHONPATH LD_LIBRARY_PATH _ROS_WHEELS_BOOTSTRAP_COMPLETE
    run_colcon() {
        "$python" -m colcon "$@"
    }
    build --cmake-args "-DCMAKE_PROJECT_INCLUDE=$repository/ros2_ws/wheels/ros_wheels_fix.cmake"
    packages=lib/$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')/site-packages
    cat > "$ros/env.sh" <<END
# Made by ros2_ws/wheels/build.sh: femo's workspace on the ROS 2 wheels of $venv.

femo_prepend() {
    eval "femo_value=\\\${\$1:-}"
    case ":\$femo_value:" in *":\$2:"*) ;; *) export "\$1=\$2\${femo_value:+:\$femo_value}" ;; esac
}
femo_prepend AMENT_PREFIX_PATH "$venv"
femo_prepend AMENT_PREFIX_PATH "$ros/install/femo_msgs"
femo_prepend AMENT_PREFIX_PATH "$ros/install/femo_recognition"
femo_prepend AMENT_PREFIX_PATH "$ros/install/femo_ros"
femo_prepend LD_LIBRARY_PATH "$ros/install/femo_msgs/lib"
femo_prepend PYTHONPATH "$ros/install/femo_msgs/$packages"
femo_prepend PYTHONPATH "$ros/install/femo_recognition/$packages"
femo_prepend PYTHONPATH "$ros/install/femo_ros/$packages"
case ":\$PATH:" in ":$venv/bin:"*) ;; *) export PATH="$venv/bin:\$PATH" ;; esac
unset -f femo_prepend
unset femo_value

# Every Python of the environment finds the wheels' libraries by itself, by starting anew with a longer
# LD_LIBRARY_PATH. This variable says that it has; it is inherited, and from another environment it would be wrong.
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE
END
}

mkdir -p "$ros"
if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ] && command -v colcon > /dev/null; then
    build_with_sourced_ros
else
    build_with_wheels
fi
echo "The ROS 2 workspace is built. Next, in every shell that starts nodes:"
echo
echo "    . $1/ros/env.sh"
echo "    python -m femo_ros.emotion_recognizer --ros-args -r image:=/camera/image_raw"
