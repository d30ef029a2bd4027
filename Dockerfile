# The base image is an argument so that a build can pin it by digest.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /src
COPY requirements.lock requirements-build.lock ./

# Build tools live in a virtual environment of their own, and only its pip is used:
# neither they nor pip can get into the one that is shipped.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/venv \
    && /opt/build/bin/pip --python /opt/venv/bin/python \
        install --no-compile --require-hashes --only-binary :all: -r requirements.lock

COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY exporter/ exporter/

# Unchecked bytecode stays valid whatever the builder does to the times of files.
# At run time nothing could write it again.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-compile --no-deps --no-index /opt/wheel/*.whl \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${PYTHON_IMAGE}

ARG VERSION=dev
LABEL org.opencontainers.image.title="aws-iot-bulk-exporter" \
      org.opencontainers.image.description="A Prometheus exporter for the bulk operations of AWS IoT." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"

COPY --from=build /opt/venv /opt/venv

# Without the limit on arenas every worker thread gets one of its own, and memory grows with the threads.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2

# Numbers, because Kubernetes cannot tell that a named user is not root.
USER 65532:65532
EXPOSE 10098
STOPSIGNAL SIGTERM

# Proxies are off: a proxy of the environment must not be asked for the container's own address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:10098/-/healthy', timeout=4)"]

ENTRYPOINT ["aws-iot-bulk-exporter"]
CMD ["serve"]
