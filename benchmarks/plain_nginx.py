"""Minimal nginx servers in front of S3, with and without a cache, for comparison with prewmanager's nginx."""

from __future__ import annotations

import os
import pwd

from benchmarks.parts import Parts, Replica
from devstack.backends import S3
from devstack.programs import LOOPBACK, find, free_ports

# No limits, no added headers: the least work that nginx can do.
_CONFIGURATION = """
user {user};
worker_processes {workers};
worker_rlimit_nofile 8192;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    {log}
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
            {cache}
        }}
    }}
}}
"""


_UNCACHED = {"log": "access_log off;", "cache": ""}
# The log's buffer is ours; its format is nginx's own, which is shorter.
_CACHED = {
    "log": """access_log access.log combined buffer=64k flush=1s;
    sendfile on;
    proxy_cache_path cache levels=1:2 keys_zone=objects:16m use_temp_path=off;""",
    "cache": "proxy_cache objects; proxy_cache_valid 200 10m;",
}


def start_plain_nginx(parts: Parts, s3: S3, workers: int, *, cached: bool = False) -> Replica:
    """Start the minimal nginx in front of the bucket; with its cache, it also writes an access log."""
    folder = parts.folder("plain-nginx-files")
    port = free_ports(1)[0]
    variables = {"workers": workers, "host": LOOPBACK, "s3_port": s3.port, "port": port, "bucket": s3.bucket}
    # The workers must enter this private folder.
    variables["user"] = pwd.getpwuid(os.getuid()).pw_name
    variables |= _CACHED if cached else _UNCACHED
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(**variables), encoding="ascii")
    own_folder = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return parts.program("plain-nginx", [find("nginx"), *own_folder, "-g", "daemon off;"], port)
