# The Reseal service. Built in one stage, run from another without compilers or caches; runs on a read-only root file
# system, writes to /var/lib/reseal and /tmp alone. Secrets come at run time, from files or variables; none is built in.

# The digest says which image that is; the tag is for people. To renew both, see docs/how-to/run-the-service.md.
FROM python:3.13.7-slim-bookworm@sha256:adafcc17694d715c905b4c7bebd96907a1fd5cf183395f0ebc4d3428bd22d92d AS build
WORKDIR /build
COPY locks/build.txt locks/service.txt locks/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r locks/build.txt \
    && python -m venv /opt/reseal \
    && /opt/reseal/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
        -r locks/service.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/reseal/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index wheels/*.whl \
    && /opt/reseal/bin/pip uninstall --yes pip

FROM python:3.13.7-slim-bookworm@sha256:adafcc17694d715c905b4c7bebd96907a1fd5cf183395f0ebc4d3428bd22d92d
COPY --from=build /opt/reseal /opt/reseal
RUN install -d -o 10001 -g 10001 -m 700 /var/lib/reseal
ENV PATH=/opt/reseal/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    RESEAL_HOST=0.0.0.0 \
    RESEAL_STATE_DIR=/tmp/reseal
# the default store is reseal.db in this folder
WORKDIR /var/lib/reseal
VOLUME /var/lib/reseal
USER 10001:10001
EXPOSE 3567
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "import os, sys; from http.client import HTTPConnection as C; c = C('127.0.0.1', int(os.environ.get('RESEAL_PORT') or 3567), timeout=2); c.request('GET', os.environ.get('RESEAL_BASE_PATH', '') + '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["reseal"]
CMD ["serve"]
