# The base image of both stages. A build can pin it by digest: python:3.13-slim@sha256:...
# It needs Python 3.11 or newer with venv.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /src
COPY requirements.lock requirements-build.lock ./

# pip and the build tools are in a separate virtual environment, so that they do not become part of the image.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/venv \
    && /opt/build/bin/pip --python /opt/venv/bin/python \
        install --no-compile --require-hashes --only-binary :all: -r requirements.lock

COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY exporter/ exporter/

# Install the wheel by name: if pip installs it by path, it records a hash that depends on file times.
# Use unchecked bytecode, because it stays valid if the builder changes file times. The exporter cannot write bytecode at
# run time.
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . \
    && /opt/build/bin/pip --python /opt/venv/bin/python \
        install --no-compile --no-deps --no-index --find-links /opt/wheel aws-iot-bulk-exporter \
    && /opt/build/bin/pip --python /opt/venv/bin/python check \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM ${PYTHON_IMAGE}

# Remove all package installers from the folders of python:slim and Debian, and all setuid and setgid bits.
# The folder is for --state.file. A new named volume gets the owner of the folder on which it is mounted.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip* \
        /usr/bin/pip* /usr/lib/python3*/ensurepip /usr/lib/python3/dist-packages/pip* /usr/share/python-wheels \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/aws-iot-bulk-exporter

COPY --from=build /opt/venv /opt/venv

# Limit the malloc arenas. Otherwise each worker thread gets its own arena, and memory grows with the threads.
# Return freed memory to the system. Otherwise malloc keeps megabytes after the large models of the start are freed.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_TRIM_THRESHOLD_=131072

# Use numbers, because Kubernetes cannot verify that a named user is not root.
USER 65532:65532
EXPOSE 10098
STOPSIGNAL SIGTERM

# The environment variable HEALTHCHECK_URL sets another port, or https.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["python", "-m", "exporter.web.healthcheck"]

ENTRYPOINT ["aws-iot-bulk-exporter"]
CMD ["serve"]

ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="aws-iot-bulk-exporter" \
      org.opencontainers.image.description="A Prometheus exporter for the bulk operations of AWS IoT." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
