# The service. Context: the repository's root. Builds with the classic builder and with BuildKit.
# compose.prod.yml names the base by its digest.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

COPY requirements/build.txt requirements/service.txt requirements/
# The service's environment has no pip of its own: nothing is installed at run time.
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/prewmanager \
    && /opt/build/bin/pip --python /opt/prewmanager/bin/python install --require-hashes -r requirements/service.txt

# botocore describes every AWS service, in 25 MB; the service only invokes functions and assumes roles.
COPY containers/trim_botocore.py containers/
RUN python containers/trim_botocore.py /opt/prewmanager cloudfront lambda s3 sso sso-oidc sts

COPY LICENSE README.md pyproject.toml ./
COPY prewmanager/ prewmanager/
COPY prewmanager_presets/ prewmanager_presets/
COPY lambda_resize/ lambda_resize/
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/build/bin/pip --python /opt/prewmanager/bin/python install --no-deps dist/*.whl

FROM ${PYTHON_IMAGE}

COPY --from=build /opt/prewmanager /opt/prewmanager
ENV PATH=/opt/prewmanager/bin:$PATH PYTHONUNBUFFERED=1

# A number, so that Kubernetes can verify that the user is not root.
USER 65532:65532
EXPOSE 8180
ENTRYPOINT ["prewmanager"]
CMD ["serve"]
