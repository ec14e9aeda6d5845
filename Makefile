# femo's commands. `make demo` and `make test` set up what they need in .venv first.

PYTHON ?= python3
# Distribution of ROS 2 whose wheels are taken where none is sourced: jazzy, or kilted in an environment of its own.
DISTRO := jazzy
VENV := .venv$(if $(filter jazzy,$(DISTRO)),,-$(DISTRO))
ROS_REQUIREMENTS := requirements/ros$(if $(filter jazzy,$(DISTRO)),,-$(DISTRO)).txt
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

ROS := $(VENV)/ros/.built
ROS_SOURCES := $(shell find ros2_ws -type f -not -path '*/__pycache__/*' -not -path '*/.pytest_cache/*')

.PHONY: help setup ros demo test check perf bench browser docs lint format pythons lock onnx fer clean

help:
	@echo "make demo         recognise faces in an image and a clip, train a small network; everything lands in demo/"
	@echo "make test         run every test but those of make perf (FEMO_FER2013=path adds those on FER-2013;"
	@echo "                  ORDER=random runs them in random order)"
	@echo "make check        run the fast unit tests only"
	@echo "make perf         run the tests that measure time and memory, one after the other"
	@echo "make browser      run the tests of the web page in Chromium, which is installed where it is missing (Debian)"
	@echo "make ros          build the ROS 2 workspace, with ROS 2 from wheels where none is sourced; needs no make setup;"
	@echo "                  DISTRO=kilted: with Kilted, into .venv-kilted; also for make test"
	@echo "make docs         build the documentation site into site/, warnings are errors; run the blocks of README"
	@echo "make bench        run the benchmarks that need no other project, one after the other, into bench/ (15 minutes)"
	@echo "make lint         ruff and pyright"
	@echo "make format       ruff format and the fixes that ruff can make"
	@echo "make pythons      smoke test in fresh environments of every Python from 3.10 on"
	@echo "make lock         resolve constraints.txt and requirements/ for every Python from 3.10 on (UPGRADE=--upgrade)"
	@echo "make onnx         write the shipped models as ONNX files into dist/, and the one that is part of femo"
	@echo "make fer          install the package fer in .fer, for benchmarks/live.py"
	@echo "make clean        remove .venv, demo/ and caches"

setup: $(INSTALLED)

# Exact versions with the hashes of their files, see `make lock`. femo itself has none, and is installed without pip's
# looking for more.
$(INSTALLED): pyproject.toml requirements/pip.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else "training and ROS 2 have packages for Python 3.10 to 3.13: make PYTHON=python3.11 ...\nRecognition has them for newer ones as well: pip install . in a virtual environment, or without JAX as docs/deploy.md describes")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing femo and what it is trained and tested with into $(VENV); this takes some minutes"
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/pip.txt
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m femo_jax.ops.native
	@touch $@

ros: $(ROS)

# Without `make setup`, recognition and ROS alone are installed: a third of the size.
$(ROS): $(ROS_SOURCES) $(ROS_REQUIREMENTS) | $(BIN)/python
	ros2_ws/wheels/build.sh $(VENV) $(DISTRO)
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

demo: setup ros
	tools/demo.sh

# A test process more than there are cores, since many tests wait for other processes: two processes left a quarter of
# two cores idle. Four at most, which hosted runners of continuous integration have. A file stays in one of them, since its
# tests share fixtures. Files keep their order, in which the long ones do not come last.
PYTEST := $(BIN)/python -m pytest
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PROCESSES := $(shell echo $$(($(CORES) < 4 ? $(CORES) + 1 : 4)))
PARALLEL := -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
ORDER :=

test: setup ros
	. $(VENV)/ros/env.sh && \
	  $(PYTEST) $(if $(filter random,$(ORDER)),-n $(PROCESSES) --random-order,$(PARALLEL)) -m "not perf and not docs" tests ros2_ws/src

check: setup
	$(PYTEST) $(PARALLEL) -m "not integration and not ros and not real_data and not perf and not docs" tests

perf: setup ros
	. $(VENV)/ros/env.sh && $(PYTEST) -m perf tests ros2_ws/src

bench: setup ros
	. $(VENV)/ros/env.sh && $(BIN)/python benchmarks/suite.py --out bench

# Playwright drives the system's Chromium; the tests are part of `make test` where there is one.
browser: setup
	@command -v chromium chromium-browser >/dev/null || { apt-get update && apt-get install --yes chromium; }
	$(PYTEST) tests/end_to_end/test_page.py

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site
	$(PYTEST) -m docs tests/docs

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pythons:
	$(PYTHON) tests/pythons.py

# One set of versions for every Python from 3.10 on and for every file. The first pass resolves all extras together, so
# that the files agree. Extras stay in their names: pip looks for `coverage[toml]`, and would take another version of it.
RESOLVE := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate
LOCK := $(RESOLVE) pyproject.toml
EVERY_EXTRA := --extra train --extra onednn --extra tensorboard --extra dev --extra ros

lock: setup
	$(BIN)/python -m pip install --quiet "uv>=0.5,<1"
	$(LOCK) $(UPGRADE) $(EVERY_EXTRA) --output-file constraints.txt
	$(LOCK) --constraint constraints.txt --generate-hashes --no-strip-extras --output-file requirements/dev.txt \
	    --extra train --extra onednn --extra tensorboard --extra dev
	$(LOCK) --constraint constraints.txt --generate-hashes --no-strip-extras --output-file requirements/ros.txt --extra ros
	grep -v '^ros-' constraints.txt > $(VENV)/constraints-without-ros.txt
	$(LOCK) --constraint $(VENV)/constraints-without-ros.txt --generate-hashes --no-strip-extras \
	    --output-file requirements/ros-kilted.txt --extra ros-kilted
	$(RESOLVE) requirements/pip.in --generate-hashes --output-file requirements/pip.txt
	$(RESOLVE) requirements/lite.in --constraint constraints.txt --generate-hashes --output-file requirements/lite.txt

# What a release attaches; and what recognises without JAX, which is part of the package.
onnx: $(patsubst femo_jax/weights/%.safetensors,dist/%.onnx,$(wildcard femo_jax/weights/*.safetensors))
onnx: $(patsubst %.safetensors,%.onnx,$(wildcard femo_jax/weights/*.safetensors))

dist/%.onnx: femo_jax/weights/%.safetensors $(INSTALLED)
	@mkdir -p dist
	$(BIN)/femo export $* --output $@

femo_jax/weights/%.onnx: femo_jax/weights/%.safetensors $(INSTALLED)
	$(BIN)/femo export $* --output $@

# Its packages clash with femo's: an environment of its own. It imports pkg_resources, which newer setuptools lack, and
# uses Haar cascades, which OpenCV 5 lacks.
fer:
	$(PYTHON) -m venv .fer
	.fer/bin/python -m pip install --quiet --upgrade pip
	.fer/bin/python -m pip install --quiet "setuptools<80" "opencv-contrib-python<5" "fer==25.10.3"

clean:
	rm -rf .venv .venv-kilted .fer bench demo .pytest_cache .ruff_cache site
