# Prometheus, mtail and the blackbox exporter, of Debian, with this project's configuration. Context: the repository's root.
# compose.watch.yml names the base by its digest.
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE}

# Only the programs: with what they recommend and depend on they are 330 MB more, and all of it pictures and scripts.
WORKDIR /packages
RUN apt-get update \
    && apt-get download prometheus mtail prometheus-blackbox-exporter \
    && for each in *.deb; do dpkg-deb -x "$each" . && rm "$each"; done \
    && cp usr/bin/prometheus usr/bin/promtool usr/bin/mtail usr/bin/prometheus-blackbox-exporter /usr/local/bin/ \
    && rm -rf /packages/* /var/lib/apt/lists/* \
    && mkdir -p /prometheus && chown 65532:65532 /prometheus

COPY observability/nginx.mtail observability/blackbox.yml observability/rules.yml observability/compose.yml /etc/prewmanager/

WORKDIR /prometheus
USER 65532:65532
