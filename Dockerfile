# The image of a service, and the step that writes the gateway's configuration.
#
#   docker build --build-arg SERVICE=auth -t memo-auth .
#   docker build --target gateway-config -t memo-gateway-config .
#
# Every service is built from the same lines; SERVICE=billing needs billing_project/.
# BuildKit is needed. No `# syntax=` line: it would have to be fetched for each build.

ARG PYTHON_IMAGE=python:3.13-slim-trixie

# ---- The virtual environment and the code ---------------------------------------------
FROM ${PYTHON_IMAGE} AS build

# Without pip: what is copied to the final stage can install nothing.
RUN python3 -m venv --without-pip /opt/venv
WORKDIR /src

# Hashed wheels alone: no compiler is needed and nothing unforeseen is run. The two
# secrets are optional and leave no trace in the image: a pip.conf (index, proxy) and
# certificates, for builds behind a mirror or a proxy (docs/docker.md).
COPY requirements/runtime.txt requirements/runtime.txt
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=ca_bundle,target=/run/secrets/ca_bundle \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip --python /opt/venv/bin/python install --no-compile \
        --only-binary=:all: --require-hashes -r requirements/runtime.txt

# `shared` as a wheel; setuptools, which builds it, has no further use.
COPY pyproject.toml ./
COPY shared/ shared/
RUN python3 -m pip --python /opt/venv/bin/python wheel --no-index --no-cache-dir \
        --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && python3 -m pip --python /opt/venv/bin/python install --no-compile \
        --no-index --no-cache-dir --no-deps /tmp/wheels/*.whl \
    && python3 -m pip --python /opt/venv/bin/python uninstall --yes setuptools \
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

# The settings find the service's name in the name of the folder. Modes are set here,
# since those of a checkout depend on somebody's umask.
ARG SERVICE
COPY deploy/gunicorn.conf.py deploy/compose/healthcheck.py deploy/compose/prepare.sh /app/
COPY ${SERVICE}_project/ /app/${SERVICE}_project/
RUN /opt/venv/bin/python -m compileall -q /app \
    && chmod -R u=rwX,go=rX /app \
    && chmod 0755 /app/prepare.sh \
    && mkdir -p -m 0755 /srv-of-image \
    && mkdir -m 1777 /srv-of-image/static

# ---- The step that writes the gateway's configuration, as Nginx images have no Python --
FROM ${PYTHON_IMAGE} AS gateway-config

COPY nginx/ /opt/nginx/
# A new volume takes over owner and mode of the folder it is mounted on; whoever runs
# this writes into it.
RUN chmod -R u=rwX,go=rX /opt/nginx && mkdir -m 1777 /etc/gateway
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
ENTRYPOINT ["python3", "/opt/nginx/render.py"]

# ---- The service ----------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS service

ARG SERVICE
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv-of-image /srv
COPY --from=build /app /app

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# Files belong to root and are read-only for this user; compose.yaml names another, the
# one that may read the secrets.
USER 10001:10001
WORKDIR /app/${SERVICE}_project
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
    CMD ["python", "-I", "/app/healthcheck.py"]

# No shell in between: gunicorn itself gets the signals.
CMD ["python", "-m", "gunicorn", "config.wsgi:application", "--config", "/app/gunicorn.conf.py"]
