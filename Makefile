# Everything happens in a virtual environment of its own, from lock files with hashes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := -m pip --disable-pip-version-check install --quiet --only-binary :all:
PIP := $(BIN)/python $(INSTALL)
UV_VERSION := 0.13.9
# More than there are processors: many tests wait for programs. A file's tests stay together and share what it starts.
WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
PARALLEL = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Whichever of them answers, and what it is given besides.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell $(engine) info >/dev/null 2>&1 && echo $(engine))))
BUILD_FLAGS ?=
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)
IMAGE ?= aws-iot-bulk-exporter:$(VERSION)
SBOM ?= build/sbom.cdx.json
# How many times as many examples of each property are tried as the tests try.
TIMES ?= 20
# Of the last commit, so that a commit has one image, whenever it is built.
COMMITTED = $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
CREATED = $(shell $(PYTHON) -c 'import time; print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime($(COMMITTED))))')
REVISION = $(or $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null),unknown)
# OCI's own format of images has no HEALTHCHECK.
REPRODUCIBLE_docker = --build-arg SOURCE_DATE_EPOCH=$(COMMITTED)
REPRODUCIBLE_podman = --format docker --timestamp $(COMMITTED)
REPRODUCIBLE_buildah = $(REPRODUCIBLE_podman)

.PHONY: help demo drill test environments properties faults lint audit format bench soak image sbom lock write-locks documents \
	screenshots clean

help: ## Show the targets.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

demo: $(VENV)/.run ## Run the exporter on a simulated AWS: no account, no credentials, no network.
	$(BIN)/aws-iot-bulk-exporter demo $(ARGS)

drill: $(VENV)/.run ## Set off every alert and see it end, with the Prometheus and Alertmanager that are installed.
	$(BIN)/aws-iot-bulk-exporter drill $(ARGS)

test: environments ## Run the tests.
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

environments: $(VENV)/.dev .venv-ministack/.done .venv-moto/.done .venv-sbom/.done ## Install what the tests need.

properties: $(VENV)/.dev ## Try the properties of any input with many more examples, new ones each time.
	PROPERTIES_TIMES=$(TIMES) $(BIN)/python -m pytest --hypothesis-show-statistics tests/properties $(ARGS)

faults: $(VENV)/.dev ## Try every fault on every call, and write what was seen into docs/reliability.md.
	$(BIN)/python -m tests.faults

lint: $(VENV)/.dev ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive exporter
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

audit: $(VENV)/.dev .venv-audit/.done ## Ask PyPI or OSV for known vulnerabilities of everything that is locked.
	$(BIN)/python -m tests.support.audit $(ARGS)

format: $(VENV)/.dev ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure, each thing side by side with what it is compared to.
	$(BIN)/python -m benchmarks

soak: $(VENV)/.dev ## Load for minutes, and tell whether anything was lost, grew or was left behind.
	$(BIN)/python -m benchmarks.soak $(ARGS)

image: ## Build the image, with docker, podman or buildah.
	@test -n "$(ENGINE)" || (echo "docker, podman or buildah is needed, and none answers" >&2; false)
	$(ENGINE) build $(REPRODUCIBLE_$(ENGINE)) $(BUILD_FLAGS) --tag $(IMAGE) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) .

sbom: .venv-sbom/.done ## Write down the Python packages of the image, as CycloneDX.
	rm -rf build/sbom && mkdir -p build/sbom $(dir $(SBOM))
	$(ENGINE) run --rm --network none --entrypoint tar $(IMAGE) -c -C /opt/venv lib | tar -x -C build/sbom
	printf '[project]\nname = "%s"\nversion = "%s"\ndependencies = ["%s"]\n' \
	aws-iot-bulk-exporter-image $(VERSION) aws-iot-bulk-exporter > build/sbom/pyproject.toml
	$(PYTHON) -m venv --without-pip build/sbom/empty
	SOURCE_DATE_EPOCH=$(COMMITTED) PYTHONPATH=$$(echo build/sbom/lib/python*/site-packages) \
	.venv-sbom/bin/cyclonedx-py environment --output-reproducible --pyproject build/sbom/pyproject.toml \
	--output-file $(SBOM) build/sbom/empty
	rm -rf build/sbom

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
	cp monitoring/grafana-alerts.yaml helm/files/grafana-alerts.yaml
	cp monitoring/dashboards/*.json helm/files/dashboards/
	$(BIN)/python -m tests.support.generated_documents
	$(BIN)/python -m tests.support.chart_schema
	$(BIN)/python -m tests.support.chart_tables

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
	echo 'cyclonedx-bom>=7' | $(subst pyproject.toml,-,$(COMPILE)) -o requirements-sbom.lock
	echo 'pip-audit>=2.10' | $(subst pyproject.toml,-,$(COMPILE)) -o requirements-audit.lock
	$(subst pyproject.toml,tests/independent/ministack.in,$(COMPILE)) -o requirements-ministack.lock
	$(subst pyproject.toml,tests/independent/moto.in,$(COMPILE)) -o requirements-moto.lock

clean: ## Remove what the other targets made.
	rm -rf $(VENV) $(VENV)-lock .venv-ministack .venv-moto .venv-sbom .venv-audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

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

# Programs with dependencies of their own: servers that the tests run want other versions of what the exporter uses too.
.venv-%/.done: requirements-%.lock | $(BIN)/python
	$(PYTHON) -m venv .venv-$* || (rm -rf .venv-$*; false)
	.venv-$*/bin/python $(INSTALL) --require-hashes -r $<
	touch $@
