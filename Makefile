# ELMo from the inside. `make book` builds the book, `make test` runs every check; both set up .venv when it is needed.
# Another interpreter: make book PYTHON=/path/to/python3.12

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?=
# Paddle for NVIDIA's GPUs comes from Paddle's own index: make setup GPU=cu126 (or the CUDA that you have). `.venv` remembers
# it; GPU=cpu goes back. Not tested on a GPU.
GPU ?=
PADDLE_INDEX ?= https://www.paddlepaddle.org.cn/packages/stable
INSTALLED := $(shell cat $(VENV)/.paddle 2>/dev/null)
PADDLE := $(or $(GPU),$(INSTALLED),cpu)
export PYTHONHASHSEED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup book pdf test test-fast nightly sanitize notebooks lab lint look slides format lock bench fuzz clean other-paddle

help:
	@echo "make book       build the book into _build/html/index.html (from the executed notebooks)"
	@echo "make pdf        the book as one PDF, _build/pdf/elmo-from-the-inside.pdf (needs chromium or chrome)"
	@echo "make test       ruff, mypy, spelling and pytest: what CI runs"
	@echo "make test-fast  the quick tests only, without the book's: for the daily loop, within three minutes"
	@echo "make nightly    kills at a hundred moments, another seed each night, and the fuzzer: make nightly SECONDS=600"
	@echo "make sanitize   tests/nn with every access of the compiled loops checked (AddressSanitizer; needs g++)"
	@echo "make setup      only set up .venv from the lock file; make setup GPU=cu126: with Paddle for that CUDA"
	@echo "make lab        open the chapters in JupyterLab, with the book's kernel"
	@echo "make notebooks  execute the chapters in book/src that have changed into book/*.ipynb; or all of them"
	@echo "                into a folder of your own: ELMO_PROFILE=small make notebooks OUTPUT=scratch"
	@echo "make bench      run the benchmarks in benchmarks/; RESULTS=data/results: in the place of the published figures"
	@echo "make fuzz       damaged files and odd calls by chance against every reader and command: make fuzz SECONDS=600"
	@echo "                CASES=readers, commands or checkers tries these alone"
	@echo "make lint       ruff, mypy and spelling only"
	@echo "make look       open every built page in a headless Chromium: console, width, plots"
	@echo "make slides     HTML slides of the chapters' figures and captions, into _build/slides/index.html"
	@echo "make format     let ruff format the code and mend what it can"
	@echo "make lock       resolve requirements.txt again from pyproject.toml (needs uv)"
	@echo "make clean      remove what was built; .venv stays"

setup: $(READY)

book: $(READY)
	@$(BIN)/python -m book.tools.build

pdf: book
	@$(BIN)/python -m book.tools.pdf

notebooks: $(READY)
	@$(BIN)/python -m book.tools.notebooks $(if $(OUTPUT),--output "$(OUTPUT)")

# JupyterLab is not in the lock: it is resolved beside what is, and changes none of it.
lab: $(READY)
	@sed -e '/--hash=/d' -e 's/ *\\$$//' requirements.txt > $(VENV)/.constraints
	@$(BIN)/python -c 'import jupyterlab' 2>/dev/null || \
		$(BIN)/python -m pip install -q --no-input --constraint $(VENV)/.constraints --no-build-isolation --editable ".[lab]"
	JUPYTER_PREFER_ENV_PATH=1 $(BIN)/python -m jupyterlab book

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --ignore=tests/book

nightly: $(READY)
	ELMO_TEST_SEED=$${ELMO_TEST_SEED:-$$(date +%j)} ELMO_TEST_KILLS=100 $(BIN)/python -m pytest tests/training/test_resume.py \
		-o timeout=3600 -k "killed" -rA
	$(MAKE) fuzz

# Paddle's tensors come from malloc, so that reading beyond one is seen; what the interpreter never frees is no matter.
# libasan stands before the interpreter, and dlopen in it: libraries of Paddle's own are found by their folder.
TESTS ?= tests/nn
sanitize: $(READY)
	LD_LIBRARY_PATH="$$($(BIN)/python -c 'import importlib.util as u; print(*u.find_spec("paddle").submodule_search_locations)')/libs" \
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0 FLAGS_use_system_allocator=1 OMP_NUM_THREADS=2 \
	CXX="env -u LD_PRELOAD g++ -fsanitize=address -fno-omit-frame-pointer -g" $(BIN)/python -m pytest $(TESTS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m book.tools.spelling

look: $(READY)
	@$(BIN)/python -m book.tools.look

slides: $(READY)
	@$(BIN)/python -m book.tools.slides

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# What is measured goes into a folder of its own: into data/results only where RESULTS=data/results says so.
RESULTS ?= _build/bench
bench: $(READY)
	@mkdir -p $(RESULTS)
	$(BIN)/python benchmarks/preprocess.py -o $(RESULTS)/preprocess.json
	$(BIN)/python benchmarks/load.py -o $(RESULTS)/load.json
	$(BIN)/python benchmarks/pretrain.py -o $(RESULTS)/pretrain_speed.json \
		$(if $(TORCH_PYTHON),--torch_python $(TORCH_PYTHON)) $(if $(BEFORE),--before $(BEFORE))
	@if [ -n "$(SHARDS)" ]; then \
		$(BIN)/python benchmarks/skipgram.py $(SHARDS) -o $(RESULTS)/skipgram.json --similarity $(WORDS)/wordsim-*.txt \
			--analogies $(WORDS)/analogy.txt $(WORDS)/ca8_morphological.txt; \
	else \
		echo "benchmarks/skipgram.py needs text and word sets: make bench SHARDS='shards/sentence_file_*' WORDS=words"; \
	fi
	@echo "benchmarks/parity.py, unknown_words.py, bf16_learning.py and lac.py need other systems' models and tagged text: see their --help"

fuzz: $(READY)
	$(BIN)/python benchmarks/fuzz.py $(if $(CASES),--cases $(CASES)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

lock:
	uv pip compile pyproject.toml --quiet --extra cpu --extra book --extra dev --extra simplified --extra watch --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links -o requirements.txt

clean:
	rm -rf _build book/generated book/_static/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis

# One environment, set up again when the lock or the package's metadata changes.
$(READY): requirements.txt pyproject.toml $(if $(filter-out $(INSTALLED),$(GPU)),other-paddle)
	@candidates="$(or $(PYTHON),python3.11 python3.12 python3.13 python3)"; python=; bare=; \
	for candidate in $$candidates; do \
		"$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue; \
		if "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then python=$$candidate; break; fi; \
		bare=$${bare:-$$candidate}; \
	done; \
	if [ -z "$$python" ] && [ -n "$$bare" ]; then \
		echo "$$bare cannot make a virtual environment (no ensurepip): on Debian or Ubuntu, 'apt install python3-venv'" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
		echo "no Python 3.11, 3.12 or 3.13 among '$$candidates': install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	"$(BIN)/python" -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear $(VENV) || exit 1; \
	echo "Installing the locked packages into $(VENV), about 1.5 GB: a minute or a few, once ..."; \
	awk -v left_out="$(if $(filter cpu,$(PADDLE)),,paddlepaddle)" \
		'/^[^ #]/ { skip = left_out != "" && index($$0, left_out "==") == 1 } !skip' requirements.txt > $(VENV)/.lock || exit 1; \
	$(BIN)/python -m pip install -qq --no-input --require-hashes -r $(VENV)/.lock || exit 1; \
	if [ "$(PADDLE)" = cpu ]; then other=paddlepaddle-gpu; else other=paddlepaddle; fi; \
	$(BIN)/python -m pip uninstall -qq --yes $$other || exit 1; \
	if [ "$(PADDLE)" != cpu ]; then \
		version=$$(sed -n 's/^paddlepaddle==\([^ ]*\).*/\1/p' requirements.txt); \
		$(BIN)/python -m pip install -qq --no-input "paddlepaddle-gpu==$$version" \
			--extra-index-url "$(PADDLE_INDEX)/$(PADDLE)/" || exit 1; \
	fi; \
	echo "$(PADDLE)" > $(VENV)/.paddle; \
	$(BIN)/python -m pip install -qq --no-input --no-deps --no-build-isolation --editable . || exit 1
	@$(BIN)/python -m book.tools.libgomp && touch $@
