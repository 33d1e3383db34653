# Each target sets up all it needs in .venv; python3 (3.11 or newer) is the only thing expected.
PYTHON ?= python3
BIN := .venv/bin
# two processes of one thread; the tests of a file share fixtures and stay in one process
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# packages that a machine with a GPU, torch and timm may lack, for its Python; and time there
GPU_WHEELS ?= gpu-wheels
GPU_PYTHON ?= 3.12
GPU_PACKAGES := lightning-fabric lightning-utilities tyro docstring-parser typeguard lpips \
	pytorch-msssim tifffile pytest-xdist execnet
MINUTES ?= 9
OUT ?= results/benchmarks/gpu

# the shipped weights that colour README's pictures
GALLERY_RUN ?= zhang16_photos

.PHONY: demo gallery test test-slow check gpu gpu-rehearse gpu-wheels setup clean docs
.DEFAULT_GOAL := help

help:
	@echo "make demo       train, evaluate and show two methods on generated scenes (about 5 minutes)"
	@echo "make gallery    README's pictures again (GALLERY_RUN=NAME: by other weights)"
	@echo "make docs       the pages of the READMEs and of the API, into build/docs/site"
	@echo "make test       the tests (no network, no data needed)"
	@echo "make test-slow  the slow tests as well"
	@echo "make check      linters, types, and that tables and plots equal the run files"
	@echo "make gpu        all that a GPU is wanted for, in MINUTES=9, into OUT=$(OUT)"
	@echo "make gpu-wheels what a machine without network needs for it, into $(GPU_WHEELS)"

setup: .venv/.ready

.venv/.ready: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	touch $@

demo: .venv/.ready
	$(BIN)/crosschroma reproduce scenes --runs runs/demo --results runs/demo/results --readme None \
		--only unet_scenes_nir unet_scenes_gray pix2pix_scenes_nir pix2pix_scenes_gray
	$(BIN)/crosschroma gallery runs/demo/*_scenes* --out runs/demo/gallery.png
	@echo "open runs/demo/gallery.png, runs/demo/results/tables/scenes.md"
	@echo "and run: $(BIN)/tensorboard --logdir runs/demo"

gallery: .venv/.ready
	$(BIN)/python results/gallery/photos.py --run $(GALLERY_RUN)

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open build/docs/site/index.html, or run $(BIN)/mkdocs serve"

.venv/.docs: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[docs]'
	touch $@

test: .venv/.ready
	$(PYTEST) -m "not slow and not network and not gpu"

test-slow: .venv/.docs
	$(PYTEST) -m "not network"

check: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/crosschroma table --check
	$(BIN)/crosschroma plot --check

# by the machine's own Python and packages: nothing is installed, no network is needed
gpu:
	$(PYTHON) -P experiments/benchmarks/bare_machine.py \
		$(if $(wildcard $(GPU_WHEELS)),--wheels $(GPU_WHEELS)) \
		bench gpu --minutes $(MINUTES) --out $(OUT) $(GPU_OPTIONS)

gpu-rehearse: .venv/.ready
	$(BIN)/python -P experiments/benchmarks/bare_machine.py \
		bench gpu --rehearse --minutes 60 --out $(OUT)

gpu-wheels: .venv/.ready
	$(BIN)/pip download --no-deps --only-binary :all: --python-version $(GPU_PYTHON) \
		-c .ci/constraints.txt -d $(GPU_WHEELS) $(GPU_PACKAGES)

clean:
	rm -rf .venv build *.egg-info
