"""The dashboard's panels by row, each with the question that it answers.

`$job` selects an installation, `$__rate_interval` is Grafana's, the prices are variables of the dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """One PromQL expression, and how Grafana names its series."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One graph; `unit` is one of Grafana's, `stacked` for parts of a whole."""

    title: str
    question: str
    unit: str
    queries: tuple[Query, ...]
    stacked: bool = False


def panel(title: str, question: str, unit: str, *queries: tuple[str, str], stacked: bool = False) -> Panel:
    """Return a panel of expressions with their legends."""
    return Panel(title, question, unit, tuple(Query(*query) for query in queries), stacked)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return a counter's increase per second, over all replicas."""
    kept = f"by ({by}) " if by else ""
    return f'sum {kept}(rate({metric}{{job=~"$job"{where}}}[$__rate_interval]))'


def quantiles(histogram: str) -> list[tuple[str, str]]:
    """Return a histogram's median and upper percentiles."""
    buckets = rate(f"{histogram}_bucket", "le")
    return [(f"histogram_quantile({q}, {buckets})", f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)]


GB_SECONDS = rate("prewmanager_lambda_gigabyte_seconds_total", "preset")
INVOCATIONS = rate("prewmanager_lambda_invocations_total", "preset")
MADE = rate("prewmanager_requests_total", where=',source="made"')
ANSWERED = rate("prewmanager_requests_total", where=',status=~"200|304"')

REQUESTS = (
    panel(
        "How requests were answered",
        "One is made, the others join it: how many requests share a resize?",
        "reqps",
        (rate("prewmanager_requests_total", "source"), "{{source}}"),
        stacked=True,
    ),
    panel(
        "Work saved",
        "Which share of the answers needed no resize?",
        "percentunit",
        (f"1 - {MADE} / {ANSWERED}", "saved"),
    ),
    panel(
        "Answers by status",
        "What do clients see? 404 and 422 are due to photos, 5xx to the service.",
        "reqps",
        (rate("prewmanager_requests_total", "status"), "{{status}}"),
        stacked=True,
    ),
    panel(
        "Waiting now",
        "How many requests wait for a preview now?",
        "short",
        ('sum by (instance) (prewmanager_waiting{job=~"$job"})', "{{instance}}"),
        stacked=True,
    ),
)
TIME = (
    panel("Time to answer", "How long do clients wait?", "s", *quantiles("prewmanager_request_seconds")),
    panel("Duration of flights", "How long does a preview take?", "s", *quantiles("prewmanager_flight_seconds")),
    panel(
        "Steps, p95",
        "Where does the time go: lease and waiting, existence check, function?",
        "s",
        (f"histogram_quantile(0.95, {rate('prewmanager_step_seconds_bucket', 'le, step')})", "{{step}}"),
    ),
)
FLIGHTS = (
    panel(
        "Flights by outcome",
        "Rendered here, found in S3, rendered by another replica, or failed?",
        "ops",
        (rate("prewmanager_flights_total", "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    panel(
        "Failures by kind",
        "What goes wrong?",
        "ops",
        (rate("prewmanager_flights_total", "outcome", ',outcome!~"made|found|joined|companion"'), "{{outcome}}"),
        stacked=True,
    ),
    panel(
        "Failures from the cache",
        "Which failures are asked for again, while they are known? Nothing is tried for these.",
        "ops",
        (rate("prewmanager_cached_failures_total", "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    panel(
        "Resizes",
        "Do resizes queue for a slot?",
        "short",
        ('sum by (state) (prewmanager_resizes{job=~"$job"})', "{{state}}"),
    ),
    panel(
        "Takeovers and lost writes",
        "Do replicas end before their flights complete, or functions between their answers and their writes?",
        "ops",
        (rate("prewmanager_takeovers_total"), "takeovers"),
        (rate("prewmanager_writes_lost_total"), "lost writes"),
    ),
    panel(
        "Polished previews",
        "How many previews are made smaller afterwards, and why are the others not?",
        "ops",
        (rate("prewmanager_polish_total", "outcome"), "{{outcome}}"),
        stacked=True,
    ),
    panel(
        "Bytes saved by polishing",
        "By how many bytes a second does what is stored shrink?",
        "Bps",
        (rate("prewmanager_polish_saved_bytes_total"), "saved"),
    ),
    panel(
        "Purges of caches in front",
        "Are caches told which previews have changed, and which ones cannot be?",
        "ops",
        (rate("prewmanager_purges_total", "cache, outcome"), "{{cache}}: {{outcome}}"),
        stacked=True,
    ),
    panel(
        "Redis",
        "Do replicas share flights through Redis (1), or does each run alone (0)?",
        "short",
        ('min by (instance) (prewmanager_redis_up{job=~"$job"})', "{{instance}}"),
    ),
    panel(
        "Results in memory",
        "How many bytes of results does a replica hold for its waiters and answers?",
        "bytes",
        ('sum by (instance) (prewmanager_result_bytes{job=~"$job"})', "{{instance}}"),
    ),
    panel(
        "Flights without Redis",
        "How many flights does a replica render for itself alone, since Redis is away or has an error for them?",
        "ops",
        (rate("prewmanager_flights_alone_total", "instance"), "{{instance}}"),
    ),
)
MONEY = (
    panel(
        "Lambda, US dollars an hour",
        "What do resizes cost, by preset, at the prices above?",
        "currencyUSD",
        (f"3600 * ({GB_SECONDS} * $gb_second_usd + {INVOCATIONS} * $request_usd)", "{{preset}}"),
        stacked=True,
    ),
    panel(
        "GB-seconds of one invocation",
        "Has a preset become more expensive?",
        "short",
        (f"{GB_SECONDS} / {INVOCATIONS}", "{{preset}}"),
    ),
    panel(
        "Cold starts",
        "Which share of the invocations was a cold start?",
        "percentunit",
        (
            f"{rate('prewmanager_lambda_cold_starts_total')} / {rate('prewmanager_lambda_invocations_total')}",
            "cold",
        ),
    ),
    panel(
        "Bytes stored",
        "How fast does the bucket grow?",
        "Bps",
        (rate("prewmanager_stored_bytes_total", "preset"), "{{preset}}"),
        stacked=True,
    ),
)
PROCESSES = (
    panel(
        "Versions and presets",
        "Do all replicas run the same? Different numbers of replicas and of definitions say that they do not.",
        "short",
        ('count by (version) (prewmanager_build_info{job=~"$job"})', "replicas of {{version}}"),
        (
            'count by (preset) (count by (preset, fingerprint) (prewmanager_preset_info{job=~"$job"}))',
            "definitions of {{preset}}",
        ),
    ),
    panel(
        "What must not be",
        "Defects, requests without a flight, lines of the log that are lost, workers that died",
        "short",
        *(
            (f'sum(increase(prewmanager_{name}_total{{job=~"$job"}}[$__rate_interval]))', name.replace("_", " "))
            for name in ("defects", "refused_requests", "log_lines_lost", "workers_died")
        ),
    ),
    panel(
        "CPU",
        "How many cores does a replica use? A process has one event loop, thus at most one core.",
        "short",
        ('sum by (instance) (rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval]))', "{{instance}}"),
    ),
    panel(
        "Memory",
        "Does it grow?",
        "bytes",
        ('sum by (instance) (process_resident_memory_bytes{job=~"$job"})', "{{instance}}"),
    ),
    panel(
        "File descriptors",
        "How near is the limit?",
        "percentunit",
        ('process_open_fds{job=~"$job"} / process_max_fds{job=~"$job"}', "{{instance}}"),
    ),
)

NGINX = (
    panel(
        "Who answers",
        "How many requests are hits of the cache or of S3, how many misses reach the service, what does nginx refuse?",
        "reqps",
        (
            'sum by (kind, source) (rate(prewmanager_nginx_requests_total{job="prewmanager-nginx"}[$__rate_interval]))',
            "{{kind}} by {{source}}",
        ),
        stacked=True,
    ),
    panel(
        "What clients get",
        "429: limited; 502 and 504: S3 or the service is away",
        "reqps",
        (
            'sum by (status) (rate(prewmanager_nginx_requests_total{job="prewmanager-nginx"}[$__rate_interval]))',
            "{{status}}",
        ),
        stacked=True,
    ),
    panel(
        "What S3 answers nginx",
        "404, or 403 where nginx may not list: misses. 400 and 5xx: refused or away",
        "reqps",
        (
            'sum by (status) (rate(prewmanager_nginx_s3_answers_total{job="prewmanager-nginx"}[$__rate_interval]))',
            "{{status}}",
        ),
        stacked=True,
    ),
    panel(
        "Canaries",
        "Does a client get what it should (1), from outside?",
        "short",
        ('min by (instance) (probe_success{job="prewmanager-canary"})', "{{instance}}"),
    ),
)

ROWS = {
    "nginx, where every request arrives": NGINX,
    "Requests for previews that S3 did not have": REQUESTS,
    "Time": TIME,
    "Flights": FLIGHTS,
    "Money and storage": MONEY,
    "Processes": PROCESSES,
}
