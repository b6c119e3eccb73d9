"""A minimal nginx that passes requests on to S3, for comparison with prewmanager's nginx."""

from __future__ import annotations

from benchmarks.parts import Parts, Replica
from devstack.backends import S3
from devstack.programs import LOOPBACK, find, free_ports

# No access log, no limits, no added headers: the least work that nginx can do.
_CONFIGURATION = """
worker_processes {workers};
worker_rlimit_nofile 8192;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path client_temp;
    proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp;
    uwsgi_temp_path uwsgi_temp;
    scgi_temp_path scgi_temp;
    keepalive_requests 10000;
    upstream s3 {{
        server {host}:{s3_port};
        keepalive 64;
        keepalive_requests 10000;
    }}
    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://s3/{bucket}/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""


def start_plain_nginx(parts: Parts, s3: S3, workers: int) -> Replica:
    """Start the minimal nginx in front of the bucket."""
    folder = parts.folder("plain-nginx-files")
    port = free_ports(1)[0]
    variables = {"workers": workers, "host": LOOPBACK, "s3_port": s3.port, "port": port, "bucket": s3.bucket}
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(**variables), encoding="ascii")
    own_folder = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return parts.program("plain-nginx", [find("nginx"), *own_folder, "-g", "daemon off;"], port)
