# Each target does all its own set-up; `make` alone lists them.
PY := .venv/bin/python
NOTEBOOKS := $(sort $(wildcard notebooks/[0-9]*.ipynb))
LESSONS := $(notdir $(basename $(sort $(wildcard notebooks/source/[0-9]*.py))))
PYTEST := $(PY) -m pytest
# The cells of one notebook stay on one worker, in order; what is not compared is said in the file.
NBVAL := $(PYTEST) --nbval --nbval-current-env -n 2 --dist loadscope -p no:cacheprovider \
	--nbval-sanitize-with notebooks/nbval.cfg

# What a shell may have set for other projects: MPLBACKEND silences figures in notebooks, and
# PYTHONPATH puts other people's packages before ours.
unexport MPLBACKEND PYTHONPATH PYTHONHOME
# In these Python 3.11 does not start once a folder of ours has letters beyond ASCII in its name.
ifneq ($(filter C POSIX,$(LC_ALL)),)
export LC_ALL := C.UTF-8
endif
# Threads that wait sleep, also where torch is imported before vaelib can say so.
export OMP_WAIT_POLICY ?= passive
export GOMP_SPINCOUNT ?= 10000

.NOTPARALLEL:
.PHONY: help setup lab test lint unit nbval solutions long mutants torture browser notebooks nbgrader handout grade lock licences test-lowest test-newest readme bench bench-quality bench-explorer bench-scaling
.PHONY: site slides

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## make .venv with everything in it (PYTHON=, TORCH_INDEX=); the others do this first
	@sh tools/setup.sh $(if $(filter setup,$(MAKECMDGOALS)),say)

lab: setup ## open JupyterLab at the first lesson (PORT=)
	@$(PY) tools/lab.py

test: setup ## everything: lint, unit tests, notebooks, solutions, browser tests
	@$(MAKE) --no-print-directory lint unit nbval solutions browser
	@echo "✓ make test: lint, unit tests, notebooks, solutions and browser tests are all done."

lint: setup ## ruff on code and notebook sources, mypy on vaelib and course, no stale notebook
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	@echo "$(PY) -m mypy, and meanwhile: $(PY) -m notebooks.build --check"
	@$(PY) -m mypy & mypy=$$!; $(PY) -m notebooks.build --check; check=$$?; wait $$mypy && exit $$check

unit: setup ## the unit tests and the examples in vaelib's docstrings
	$(PYTEST) -n 2 --dist worksteal --doctest-modules --ignore=tests/browser \
		--ignore=course/handout/files --ignore-glob='*/conftest.py' tests vaelib course

nbval: setup ## run every notebook and compare what it prints with what is stored
	$(NBVAL) $(NOTEBOOKS)

solutions: setup ## build the solution notebooks into build/solutions and run them
	@echo $(LESSONS) | xargs -n 4 -P 2 $(PY) -m notebooks.build --solutions

long: setup ## the tests that train a study's seed again, or that take long for other reasons
	$(PYTEST) -n 2 --dist worksteal -m long tests

torture: setup ## what `make test` leaves out: an hour of trouble, told in build/torture.md
	VAELIB_TORTURE=1 $(PYTEST) -q -m "" tests/torture

mutants: setup ## make each lesson wrong in many ways: somebody must notice (ONLY=)
	$(PY) tests/lessons/mutants.py $(ONLY)

browser: setup ## the explorer and the lessons in a real browser
	@# A browser, a kernel and a server that share two cores can be late: what fails is asked again, alone.
	$(PYTEST) -rfE -n 2 tests/browser || $(PYTEST) -rfE --last-failed --last-failed-no-failures none tests/browser

notebooks: setup ## build notebooks/*.ipynb from notebooks/source
	$(PY) -m notebooks.build

site: setup ## the lessons as web pages, explorer and labs live, in build/site
	@$(PY) -m course.site

slides: setup ## each lesson as a deck of slides, in build/slides
	@$(PY) -m course.site --slides

nbgrader: setup ## build the instructor's set for nbgrader into build/nbgrader
	$(PY) -m notebooks.build --nbgrader

handout: setup ## build the students' zip into build/handout
	@$(PY) -m course.handout

grade: setup ## mark a folder or zip of submissions (SUBMISSIONS=, SEED=, OUT=, OPTIONS=)
	@$(if $(SUBMISSIONS),,echo "✗ Which folder? make grade SUBMISSIONS=folder SEED=7" >&2; exit 1)
	@$(PY) -m course.marking "$(SUBMISSIONS)" $(if $(SEED),--seed "$(SEED)") --out "$(or $(OUT),build/marks)" $(OPTIONS)

lock: setup ## renew requirements.lock (TORCH= another torch, WHEELS= a folder of other builds)
	@$(PY) tools/lock.py
	@$(PY) tools/licences.py

licences: setup ## renew docs/licences.md, the licences of all that is installed
	@$(PY) tools/licences.py

test-lowest: setup ## unit tests with the lowest versions that pyproject.toml admits
	@$(PY) tools/versions.py lowest

test-newest: setup ## unit tests with the newest versions of everything but torch
	@$(PY) tools/versions.py newest

readme: setup ## run the commands that the README shows, and put in what they print
	$(PY) tools/readme.py

bench: setup ## training beside other libraries, in turn; a busy neighbour (EPOCHS=, IMAGES=)
	@sh benchmarks/peers.sh
	$(PY) -m benchmarks.race --download $(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(IMAGES),--images $(IMAGES))
	$(PY) -m benchmarks.race --model conv --download
	$(PY) -m benchmarks.busy_neighbour

bench-quality: setup ## bounds on MNIST beside the literature's, and the faces (PARTS=, EPOCHS=)
	$(PY) -m benchmarks.quality $(PARTS) --download $(if $(EPOCHS),--epochs $(EPOCHS))

bench-explorer: setup ## slider to pixels in JupyterLab against interact + matplotlib (ROUNDS=)
	$(PY) -m benchmarks.explorer

bench-scaling: setup ## how cost grows: training, a class on a hub, a learner's wait (PARTS=)
	$(PY) -m benchmarks.scaling $(PARTS) --download
