# Everything happens in a virtual environment of its own, from lock files with hashes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := -m pip --disable-pip-version-check install --quiet --only-binary :all:
PIP := $(BIN)/python $(INSTALL)
UV_VERSION := 0.13.9

.PHONY: help demo drill test lint format bench lock write-locks documents screenshots clean

help: ## Show the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/.run ## Run the exporter on a simulated AWS: no account, no credentials, no network.
	$(BIN)/aws-iot-bulk-exporter demo $(ARGS)

drill: $(VENV)/.run ## Set off every alert and see it end, with the Prometheus and Alertmanager that are installed.
	$(BIN)/aws-iot-bulk-exporter drill $(ARGS)

test: $(VENV)/.dev .venv-ministack/.done .venv-moto/.done ## Run the tests.
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure, each thing side by side with what it is compared to.
	$(BIN)/python -m benchmarks

documents: $(VENV)/.dev ## Print the generated files anew.
	$(BIN)/aws-iot-bulk-exporter show metrics > docs/metrics.md
	$(BIN)/aws-iot-bulk-exporter show config-schema > docs/config.schema.json
	$(BIN)/aws-iot-bulk-exporter show iam-policy > docs/iam-policy.json
	$(BIN)/aws-iot-bulk-exporter show openapi > docs/openapi.json
	$(BIN)/aws-iot-bulk-exporter show prometheus-rules > monitoring/prometheus-rules.yaml
	$(BIN)/aws-iot-bulk-exporter show grafana-alerts > monitoring/grafana-alerts.yaml
	$(BIN)/aws-iot-bulk-exporter show dashboard > monitoring/dashboards/aws-iot-bulk-fleet.json
	$(BIN)/aws-iot-bulk-exporter show dashboard-operation > monitoring/dashboards/aws-iot-bulk-operation.json
	$(BIN)/aws-iot-bulk-exporter show dashboard-exporter > monitoring/dashboards/aws-iot-bulk-exporter.json
	$(BIN)/aws-iot-bulk-exporter show chart-alerts > helm/files/alerts.yaml
	$(BIN)/python -m tests.support.generated

screenshots: $(VENV)/.dev ## Take the pictures of the documents anew; needs Chromium and what the drill needs.
	$(BIN)/python -m tests.support.screenshots

lock: ## Lock the dependencies anew, for every supported Python.
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet uv==$(UV_VERSION) setuptools
	$(MAKE) COMPILE="$(VENV)-lock/bin/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-emit-find-links --no-emit-index-url --no-header --quiet --upgrade" write-locks

write-locks:
	$(COMPILE) -o requirements.lock
	$(COMPILE) --extra dev -o requirements-dev.lock
	echo 'setuptools>=77' | $(subst pyproject.toml,-,$(COMPILE)) -o requirements-build.lock
	$(subst pyproject.toml,tests/independent/ministack.in,$(COMPILE)) -o requirements-ministack.lock
	$(subst pyproject.toml,tests/independent/moto.in,$(COMPILE)) -o requirements-moto.lock

clean: ## Remove what the other targets made.
	rm -rf $(VENV) $(VENV)-lock .venv-ministack .venv-moto build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); false)

$(VENV)/.run: requirements.lock requirements-build.lock setup.cfg | $(BIN)/python
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --require-hashes -r requirements-build.lock
	$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

# Servers that the tests run. Each wants versions of its own of what the exporter uses too.
.venv-%/.done: requirements-%.lock | $(BIN)/python
	$(PYTHON) -m venv .venv-$* || (rm -rf .venv-$*; false)
	.venv-$*/bin/python $(INSTALL) --require-hashes -r $<
	touch $@
