# ivrbot: set-up, start, tests. `make run` and `make test` are all that a newcomer needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Model folder shared by everything below; the product's own default.
DATA_DIR ?= $(or $(IVRBOT_DATA_DIR),var)

# Test processes beside each other. The integration tests run in the three lanes of tests/lanes.py.
TEST_PROCESSES ?= 2
INTEGRATION_LANES ?= 3

.PHONY: run setup models test check format test-integration bench demo rasa prompts lock clean

run: $(VENV)/.runtime models
	$(BIN)/ivrbot serve --demo

setup: $(VENV)/.runtime $(VENV)/.dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ivrbot needs Python 3.11 or newer; set PYTHON=python3.11 or the like" >&2; exit 3; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "no virtual environment could be made: on Debian, apt-get install python3-venv" >&2; exit 3; }

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

models: $(VENV)/.runtime
	IVRBOT_DATA_DIR=$(DATA_DIR) $(BIN)/ivrbot models pull

# What is still being written to the disk holds up every commit of the databases that the tests open.
test: setup
	sync
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile -m "not integration and not models"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/ivrbot flows check
	$(BIN)/ivrbot nlu parity > /dev/null
	$(BIN)/ivrbot rollout check
	$(BIN)/ivrbot rollout check deploy/demo-rollout.yaml

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-integration: setup models
	IVRBOT_DATA_DIR=$(DATA_DIR) $(BIN)/ivrbot models pull vosk-ko
	IVRBOT_DATA_DIR=$(DATA_DIR) $(BIN)/ivrbot models pull campplus
	IVRBOT_DATA_DIR=$(DATA_DIR) $(BIN)/ivrbot models pull piper-en-joe
	$(BIN)/python tools/integration_parts.py
	TESTS_LANES=1 $(BIN)/python -m pytest -n $(INTEGRATION_LANES) --dist loadscope --durations 40 -m "(integration or models) and not bench"

bench: setup models
	$(BIN)/python -m benchmarks.media
	$(BIN)/python -m benchmarks.rollout_assign
	$(BIN)/python -m benchmarks.rollout_analyze
	$(BIN)/python -m benchmarks.rollout_srm
	$(BIN)/python -m benchmarks.rollout_why
	$(BIN)/python -m benchmarks.rollout_simulations
	$(BIN)/python -m benchmarks.nlu
	$(BIN)/python -m benchmarks.endpointing
	$(BIN)/python -m benchmarks.barge_in
	$(BIN)/python -m benchmarks.answers --calls 20
	$(BIN)/python -m benchmarks.asr
	$(BIN)/python -m benchmarks.turns --door asterisk
	$(BIN)/python -m benchmarks.turns --systems ivrbot,pipecat,livekit
	$(BIN)/python -m benchmarks.turns --callers 8
	$(BIN)/python -m benchmarks.capacity
	$(BIN)/python -m benchmarks.soak
	$(BIN)/python -m benchmarks.soak_day
	$(BIN)/python -m benchmarks.voiceprint --synthetic
	$(BIN)/python -m benchmarks.kpis

# Two months of simulated calls in a folder of their own, and a server over them; every page says that they are simulated.
DEMO := IVRBOT_DATA_DIR=$(DATA_DIR)/demo IVRBOT_MODELS__DIR=$(DATA_DIR)/models
demo: $(VENV)/.runtime models
	$(DEMO) $(BIN)/python tools/demo_history.py
	$(DEMO) IVRBOT_ROLLOUT__PLAN=deploy/simulated-rollout.yaml $(BIN)/ivrbot serve

# A Rasa server on nlu_data (needs Python 3.10); RASA_CONFIG is light or diet.
rasa: $(BIN)/python
	$(BIN)/python -m tools.rasa --config $(or $(RASA_CONFIG),light) --host $(or $(RASA_HOST),127.0.0.1)

prompts: setup
	$(BIN)/ivrbot prompts render

LOCK := $(BIN)/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

lock: $(BIN)/python
	$(LOCK) -o requirements.lock pyproject.toml
	$(LOCK) --extra dev --extra microphone --extra tracing --extra code-words --extra sherpa --extra voiceprint --extra piper -c requirements.lock -o requirements-dev.lock pyproject.toml
	cd tests/stats/peers && $(abspath $(BIN))/python $(wordlist 2,99,$(LOCK)) -o requirements.lock requirements.in

clean:
	rm -rf $(VENV) .cache var .pytest_cache .mypy_cache .ruff_cache
