# Emulates AWS on one machine: S3 (SeaweedFS), the Lambda service with the resize function, and the job that
# fills the bucket. Not for production. Context: the repository's root.
FROM python:3.13-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

COPY requirements/build.txt requirements/local.txt requirements/
# pyvips is published as source only; its build requirements are not in the lock file.
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/local \
    && /opt/build/bin/pip --python /opt/local/bin/python install --require-hashes -r requirements/local.txt

COPY containers/trim_botocore.py containers/
RUN python containers/trim_botocore.py /opt/local lambda s3 sso sso-oidc sts

COPY LICENSE README.md pyproject.toml ./
COPY prewmanager/ prewmanager/
COPY prewmanager_presets/ prewmanager_presets/
COPY lambda_resize/ lambda_resize/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/build/bin/pip --python /opt/local/bin/python install --no-deps dist/*.whl

FROM python:3.13-slim

COPY --from=build /opt/local /opt/local
COPY devstack/ /srv/devstack/
# For the CloudFront emulator: the viewer-request function, and the hosts that the edge function may fetch from.
COPY infra/viewer.js /srv/infra/
COPY containers/edge_config.json /srv/
ENV PATH=/opt/local/bin:$PATH PYTHONPATH=/srv PYTHONUNBUFFERED=1
# Compiled now, because the file system is read-only at run time. Volumes mounted there inherit these owners.
RUN python -m compileall -q /srv \
    && mkdir /data /photos \
    && chown 65532:65532 /data /photos

WORKDIR /srv
USER 65532:65532
