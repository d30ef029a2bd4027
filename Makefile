# All targets use virtual environments, which are created from lock files with hashes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := install --quiet --only-binary :all: --require-hashes
UV_VERSION := 0.13.9
# Three processes for each processor, because many tests wait for programs, but at most 16, because each needs up to 0.7 GB
# of memory. The tests of one file run in the same process, because they share the programs that the file starts.
WORKERS ?= $(shell workers=$$((3 * $$(getconf _NPROCESSORS_ONLN))); echo $$((workers < 16 ? workers : 16)))
# The folders of tests whose results can depend on the version of Python. tests/README.md says what the other ones test.
PYTHON_TESTS = app aws cli collector config core kinds metrics simulator state web
PARALLEL = --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# The first of these programs that works, and more flags for it.
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell $(engine) info >/dev/null 2>&1 && echo $(engine))))
BUILD_FLAGS ?=
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)
IMAGE ?= aws-iot-bulk-exporter:$(VERSION)
SBOM ?= build/sbom.cdx.json
# The factor by which `make properties` multiplies the number of examples in the tests.
TIMES ?= 20
# Times and labels of the image come from the last commit, so that the same commit always gives the same image.
COMMIT_TIME = $(or $(shell git log -1 --format=%ct 2>/dev/null),0)
CREATED = $(shell $(PYTHON) -c 'import time; print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime($(COMMIT_TIME))))')
REVISION = $(or $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null),unknown)
# The image format docker is necessary, because the OCI format has no HEALTHCHECK.
REPRODUCIBLE_docker = --build-arg SOURCE_DATE_EPOCH=$(COMMIT_TIME)
REPRODUCIBLE_podman = --format docker --timestamp $(COMMIT_TIME)
REPRODUCIBLE_buildah = $(REPRODUCIBLE_podman)

REPOSITORY ?= aws-iot-bulk-exporter
CLUSTER_IMAGE = localhost/aws-iot-bulk-exporter:cluster

.PHONY: help demo drill test test-python cluster environments properties faults lint audit format bench bench-compare soak image \
	sbom lock write-locks chart distributions release-check release-notes version documents screenshots clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

demo: $(VENV)/.run ## Run the exporter against a simulated AWS.
	$(BIN)/aws-iot-bulk-exporter demo $(ARGS)

drill: $(VENV)/.run ## Fire every alert with the installed Prometheus and Alertmanager, and check that it ends.
	$(BIN)/aws-iot-bulk-exporter drill $(ARGS)

test: environments ## Run all tests; ARGS selects some, WORKERS=0 uses one process.
	$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/cluster $(ARGS)

test-python: $(VENV)/.dev ## Run the tests whose results can depend on the version of Python; see PYTHON and VENV.
	$(BIN)/python -m pytest $(PARALLEL) $(addprefix tests/,$(PYTHON_TESTS)) $(ARGS)

cluster: $(VENV)/.dev ## Test the chart on a real Kubernetes; builds its programs with Go at the first time.
	.ci/cluster-programs
	test -n "$$EXPORTER_IMAGE" || (flags=$$(mktemp -d) && $(MAKE) image ENGINE=buildah IMAGE=$(CLUSTER_IMAGE) \
	BUILD_FLAGS="$$(.ci/image-flags "$$flags")" && rm -r "$$flags")
	CI=true EXPORTER_IMAGE=$${EXPORTER_IMAGE:-$(CLUSTER_IMAGE)} $(BIN)/python -m pytest $(PARALLEL) tests/cluster $(ARGS)

environments: $(VENV)/.dev .venv-ministack/.done .venv-moto/.done .venv-sbom/.done ## Create the virtual environments of the tests.

properties: $(VENV)/.dev ## Run the property tests with many new examples; TIMES sets the factor.
	PROPERTIES_TIMES=$(TIMES) $(BIN)/python -m pytest --hypothesis-show-statistics tests/properties $(ARGS)

faults: $(VENV)/.dev ## Test every fault on every call, and write the results to docs/tested-faults.md.
	$(BIN)/python -m tests.faults

lint: $(VENV)/.dev ## Check style, types and security.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/bandit --quiet --recursive exporter
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile
	$(BIN)/zizmor --quiet --offline .github
	@if command -v actionlint >/dev/null; then actionlint; \
	elif [ -n "$(CI)" ]; then echo "actionlint is not installed" >&2; false; \
	else echo "actionlint is not installed, so the workflows are not checked by it"; fi

audit: $(VENV)/.dev .venv-audit/.done ## Check all locked dependencies for known vulnerabilities.
	$(BIN)/python -m tests.support.audit $(ARGS)

format: $(VENV)/.dev ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Run the benchmarks.
	$(BIN)/python -m benchmarks

bench-compare: $(VENV)/.dev ## Run the benchmarks of the commit BASE and of this one in turn, and print the ratios.
	$(BIN)/python -m benchmarks.compare $(BASE) $(ARGS)

soak: $(VENV)/.dev ## Run the load tests; ARGS selects parts.
	$(BIN)/python -m benchmarks.soak $(ARGS)

image: ## Build the image with docker, podman or buildah.
	@test -n "$(ENGINE)" || (echo "docker, podman or buildah is required, but none of them works; set ENGINE" >&2; false)
	$(ENGINE) build $(REPRODUCIBLE_$(ENGINE)) $(BUILD_FLAGS) --tag $(IMAGE) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) .

sbom: .venv-sbom/.done ## Write the Python packages of the image as CycloneDX.
	rm -rf build/sbom && mkdir -p build/sbom $(dir $(SBOM))
	$(ENGINE) run --rm --network none --entrypoint tar $(IMAGE) -c -C /opt/venv lib | tar -x -C build/sbom
	printf '[project]\nname = "%s"\nversion = "%s"\ndependencies = ["%s"]\n' \
	aws-iot-bulk-exporter-image $(VERSION) aws-iot-bulk-exporter > build/sbom/pyproject.toml
	$(PYTHON) -m venv --without-pip build/sbom/empty
	SOURCE_DATE_EPOCH=$(COMMIT_TIME) PYTHONPATH=$$(echo build/sbom/lib/python*/site-packages) \
	.venv-sbom/bin/cyclonedx-py environment --output-reproducible --pyproject build/sbom/pyproject.toml \
	--output-file $(SBOM) build/sbom/empty
	rm -rf build/sbom

chart: ## Package the chart with the image of a registry; REPOSITORY names it.
	rm -rf build/chart && mkdir -p build/chart
	cd helm && find . -type f -exec install -D --mode=644 {} ../build/chart/source/{} \;
	sed -i 's|^  repository: aws-iot-bulk-exporter$$|  repository: $(REPOSITORY)|' build/chart/source/values.yaml
	sed -i 's|image: aws-iot-bulk-exporter:|image: $(REPOSITORY):|' build/chart/source/Chart.yaml
	helm package build/chart/source --destination build/chart
	rm -rf build/chart/source

distributions: $(VENV)/.run ## Build the wheel and the source distribution into build/distributions.
	rm -rf build/distributions build/lib && mkdir -p build/distributions
	SOURCE_DATE_EPOCH=$(COMMIT_TIME) $(BIN)/python -c "from setuptools import build_meta as build; \
	build.build_sdist('build/distributions'); build.build_wheel('build/distributions')" >build/distributions.log
	rm -rf build/lib build/bdist.*

release-check: $(VENV)/.dev ## Check versions, changelog and locks for a release; TAG is its tag.
	@$(BIN)/python -m tests.support.release check $(TAG)

release-notes: $(VENV)/.dev ## Print the section of the changelog for the version.
	@$(BIN)/python -m tests.support.release notes

version: $(VENV)/.dev ## Write a new version to all files that contain it; VERSION is the version.
	@$(BIN)/python -m tests.support.release version $(VERSION)

documents: $(VENV)/.dev ## Generate the documents, rules, dashboards and tables again.
	$(BIN)/aws-iot-bulk-exporter show metrics > docs/metrics.md
	$(BIN)/aws-iot-bulk-exporter show configuration > docs/configuration.md
	$(BIN)/aws-iot-bulk-exporter show scenarios > docs/scenarios.md
	$(BIN)/aws-iot-bulk-exporter show config-schema > docs/config.schema.json
	$(BIN)/aws-iot-bulk-exporter show iam-policy > docs/iam-policy.json
	$(BIN)/aws-iot-bulk-exporter show openapi > docs/openapi.json
	$(BIN)/aws-iot-bulk-exporter show prometheus-rules > monitoring/prometheus-rules.yaml
	$(BIN)/aws-iot-bulk-exporter show grafana-alerts > monitoring/grafana-alerts.yaml
	$(BIN)/aws-iot-bulk-exporter show alertmanager-inhibitions > monitoring/alertmanager-inhibitions.yaml
	$(BIN)/aws-iot-bulk-exporter show dashboard > monitoring/dashboards/aws-iot-bulk-fleet.json
	$(BIN)/aws-iot-bulk-exporter show dashboard-operation > monitoring/dashboards/aws-iot-bulk-operation.json
	$(BIN)/aws-iot-bulk-exporter show dashboard-exporter > monitoring/dashboards/aws-iot-bulk-exporter.json
	$(BIN)/aws-iot-bulk-exporter show chart-alerts > helm/files/alerts.yaml
	$(BIN)/aws-iot-bulk-exporter show chart-grafana-alerts > helm/files/grafana-alerts.yaml
	cp monitoring/dashboards/*.json helm/files/dashboards/
	$(BIN)/python -m tests.support.generated_documents

screenshots: $(VENV)/.dev ## Take the screenshots again; needs Chromium, Prometheus and Alertmanager.
	$(BIN)/python -m tests.support.screenshots

lock: ## Update the lock files, for all supported versions of Python.
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

clean: ## Remove all files that the other targets created.
	rm -rf $(VENV) $(VENV)-lock .venv-ministack .venv-moto .venv-sbom .venv-audit build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required: use make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || (rm -rf $(VENV); false)

$(VENV)/.run: requirements.lock requirements-build.lock setup.cfg | $(BIN)/python
	$(PIP) $(INSTALL) -r requirements.lock
	$(PIP) $(INSTALL) -r requirements-build.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(PIP) $(INSTALL) -r requirements-dev.lock
	touch $@

# These programs need other versions of the exporter's dependencies, so each has its own virtual environment.
.venv-%/.done: requirements-%.lock | $(BIN)/python
	$(PYTHON) -m venv --without-pip .venv-$*
	$(PIP) --python .venv-$*/bin/python $(INSTALL) -r $<
	touch $@
