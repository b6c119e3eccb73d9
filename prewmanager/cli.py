"""The command line: `serve` runs the service, the other commands are for operators.

Exit codes: 0 success, 1 something failed or needs attention, 2 invalid settings or arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from prewmanager import __version__
from prewmanager.commands.arguments import LIST_GB_SECOND_USD, ONE_CPU_MB, CostAssumptions, Selection
from prewmanager.config.one_source import read_settings_of
from prewmanager.config.reading import ignored_settings
from prewmanager.config.settings import LogLevel, Settings
from prewmanager.errors import InvalidSettings, PrewError
from prewmanager_presets import Effort

EXIT_FAILED = 1
EXIT_SETTINGS = 2
EXIT_TERMINATED = 128 + signal.SIGTERM  # as a shell reports it

Presets = Annotated[
    list[str] | None, typer.Argument(metavar="PRESET", help="Presets, or variants such as card.avif, by name.")
]
Prefix = Annotated[str, typer.Option(help="Only photos whose name, after the source prefix, begins with this.")]
Concurrency = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Previews to process at once.")]
# No client waits for what a command renders, and each view pays for its bytes.
EffortOption = Annotated[Effort, typer.Option("--effort", help="The encoders' effort, whatever the presets say.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="A preset's name selects only the variant of that name, not all variants.")
]
Source = Annotated[
    str, typer.Option("--source", metavar="NAME", help="One of PREW_SOURCES; without it, the main source.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AsLines = Annotated[
    bool, typer.Option("--json", help="Print lines of JSON: each finding as it comes, and a summary at the end.")
]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Image previews, rendered once and served from S3.",
    epilog="Exit codes: 0 success, 1 something failed or needs attention, 2 invalid settings or arguments.",
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- typer's callback
    if wanted:
        typer.echo(f"prewmanager {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Image previews, rendered once and served from S3."""


@app.command()
def serve(
    workers: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that share the port, at most one for each core.")
    ] = 1,
) -> None:
    """Run the service, configured by the environment. SIGTERM or SIGINT stops it after the requests in flight."""
    settings = _settings(warn=False)
    with contextlib.ExitStack() as exits:
        if workers > 1:
            # Set before prometheus-client is imported: it reads the variable at import.
            folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="prewmanager-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        # Imported here, so that the other commands start at once.
        from prewmanager.listening import listen  # noqa: PLC0415 -- see above
        from prewmanager.resizers import require_workers  # noqa: PLC0415 -- see above
        from prewmanager.server import log_ignored, run  # noqa: PLC0415 -- see above

        log_ignored(settings.log_level, ignored_settings())
        try:
            require_workers(settings)
            sock = listen(settings.host, settings.port)
            if workers == 1:
                run(settings, sock)
            else:
                from prewmanager.workers import Workers  # noqa: PLC0415 -- see above

                Workers(settings, sock, workers).run()
        except InvalidSettings as error:
            _stop(error)


@app.command("resize-server", epilog="Example:\nprewmanager resize-server --workers 4")
def resize_server(  # noqa: PLR0917 -- options of the command line
    host: Annotated[str, typer.Option(envvar="PREW_HOST", help="Address to listen on.")] = "::",
    port: Annotated[
        int, typer.Option(envvar=["PREW_PORT", "PORT"], min=1, max=65535, help="Port to listen on.")
    ] = 8190,
    workers: Annotated[
        int, typer.Option(envvar="PREW_RESIZE_WORKERS", min=1, metavar="N", help="Photos at once, each in a process.")
    ] = 2,
    waiting: Annotated[
        int, typer.Option(min=0, metavar="N", help="Requests that wait for a process; further ones get 429.")
    ] = 8,
    timeout: Annotated[
        float, typer.Option(envvar="PREW_LAMBDA_TIMEOUT", min=0.1, max=900, metavar="S", help="Seconds for one photo.")
    ] = 10,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="PREW_LOG_LEVEL", help="Least important events to log.")
    ] = "info",
) -> None:
    """Run the resize function behind HTTP, for services with PREW_RESIZER_URL: Lambda is not needed.

    It reads the AWS SDK's variables for S3, the function's own, and PREW_RESIZER_TOKEN, which requests must then bring.
    """
    from prewmanager.config.environment import require_resize_packages  # noqa: PLC0415 -- as above
    from prewmanager.listening import listen  # noqa: PLC0415 -- as above

    try:
        require_resize_packages("this command renders")
        sock = listen(host, port)
    except InvalidSettings as error:
        _stop(error)
    from prewmanager.resize_server import Options, run  # noqa: PLC0415 -- its dependencies are optional

    run(Options(workers, waiting, timeout, os.environ.get("PREW_RESIZER_TOKEN", "")), sock, log_level)


@app.command(epilog="Example:\nprewmanager presets --json")
def presets(as_json: AsJson = False) -> None:
    """Show the presets that the environment configures, with their variants and fingerprints.

    A variant is a format of an auto preset (card.avif) or a density (card@2x).
    """
    from prewmanager.commands import presets as command  # noqa: PLC0415 -- so that the other commands start at once

    command.show(_settings(), as_json=as_json)


@app.command(epilog="Example:\nprewmanager stats --json")
def stats(source: Source = "", as_json: AsJson = False) -> None:
    """Show what is stored for each preset and variant: previews, bytes, the oldest and the newest.

    Variants that are stored but no longer configured are shown as unknown.
    """
    from prewmanager.commands import stats as command  # noqa: PLC0415 -- so that the other commands start at once

    _end(command.run(_settings(source), as_json=as_json))


@app.command(
    epilog="Examples:\nprewmanager purge thumb --prefix 2024/ --yes\nprewmanager purge --photo photo/a/b.jpg\n"
    "prewmanager purge --orphans"
)
def purge(  # noqa: PLR0917 -- options of the command line
    presets: Presets = None,
    prefix: Prefix = "",
    photo: Annotated[str, typer.Option(help="Only the previews of this photo, by its key, in all presets.")] = "",
    exact: Exact = False,
    orphans: Annotated[
        bool,
        typer.Option(
            "--orphans",
            help="Also presets that are not configured. If none is named: those, and previews of missing photos.",
        ),
    ] = False,
    former_prefix: Annotated[
        str, typer.Option(help="Previews below this earlier PREW_PREVIEW_PREFIX, instead of those below today's.")
    ] = "",
    nginx_cache: Annotated[
        Path | None, typer.Option(help="Also purge the cache of this machine's nginx, in this folder.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; otherwise only count.")] = False,
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Delete previews and their cached results; the next request renders each again. Photos are never touched.

    A preset's name selects all its variants. The caches of PREW_PURGES
    forget them too. A dry run unless --yes is given.
    """
    from prewmanager.commands import purge as command  # noqa: PLC0415 -- so that the other commands start at once
    from prewmanager.commands.purge_targets import PurgeRequest  # noqa: PLC0415 -- likewise

    asked = PurgeRequest(
        tuple(presets or ()),
        prefix,
        photo,
        orphans=orphans,
        exact=exact,
        nginx_cache=nginx_cache,
        former_prefix=former_prefix,
    )
    _end(command.run(_settings(source), asked, yes=yes, as_json=as_json))


@app.command(
    epilog="Examples:\nprewmanager warm --dry-run\nprewmanager warm card thumb --prefix 2024/ --concurrency 32"
)
def warm(  # noqa: PLR0917 -- options of the command line
    presets: Presets = None,
    prefix: Prefix = "",
    exact: Exact = False,
    concurrency: Concurrency = 8,
    effort: EffortOption = "small",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, and estimate Lambda's cost.")] = False,
    seconds: Annotated[
        float, typer.Option(min=0, metavar="S", help="Seconds of one resize in Lambda, for the estimate.")
    ] = 0.5,
    memory_mb: Annotated[
        int, typer.Option(min=1, metavar="MB", help="The function's memory, for the estimate.")
    ] = ONE_CPU_MB,
    gb_second_usd: Annotated[
        float,
        typer.Option(
            min=0, metavar="USD", help="Price of a GB-second; the default is AWS's list price for x86 in us-east-1."
        ),
    ] = LIST_GB_SECOND_USD,
    source: Source = "",
    as_json: AsLines = False,
) -> None:
    """Render missing previews in all variants of the named presets, or of all presets.

    A running site and other `warm` commands share the work: no preview is
    rendered twice. After an interruption it resumes with what is still
    missing. Exit code 1 if any preview failed.
    """
    from prewmanager.commands import warm as command  # noqa: PLC0415 -- so that the other commands start at once

    assumed = CostAssumptions(seconds, memory_mb, gb_second_usd)
    work = command.run(
        _settings(source),
        Selection(presets or (), prefix, exact=exact),
        concurrency=concurrency,
        effort=effort,
        dry_run=dry_run,
        assumed=assumed,
        as_json=as_json,
    )
    _end(work)


@app.command(epilog="Examples:\nprewmanager stale --json\nprewmanager stale card --fix --concurrency 32")
def stale(  # noqa: PLR0917 -- options of the command line
    presets: Presets = None,
    prefix: Prefix = "",
    exact: Exact = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Render them again, and delete those whose photo is gone.")
    ] = False,
    concurrency: Concurrency = 16,
    effort: EffortOption = "small",
    source: Source = "",
    as_json: AsLines = False,
) -> None:
    """Find previews whose preset has changed, or whose photo has changed or is gone.

    --fix repairs them while the site runs: each new preview replaces the old
    one. Exit code 1 if stale previews are left.
    """
    from prewmanager.commands import stale as command  # noqa: PLC0415 -- so that the other commands start at once

    asked = Selection(presets or (), prefix, exact=exact)
    work = command.run(_settings(source), asked, fix=fix, concurrency=concurrency, effort=effort, as_json=as_json)
    _end(work)


@app.command(
    epilog="Examples:\nprewmanager sign photo/a.jpg --preset hero --for 2h\nprewmanager sign photo/a/ --for 7d --json"
)
def sign(  # noqa: PLR0917 -- options of the command line
    photos: Annotated[
        list[str],
        typer.Argument(metavar="PHOTO", help="Keys of photos; one with a slash at its end is all photos below it."),
    ],
    keys_file: Annotated[
        Path | None, typer.Option("--keys", envvar="PREW_NGINX_SIGNING_KEYS_FILE", help="nginx's keys file.")
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option(help="A preset, to sign its previews; repeat it for several. Without it, the photos."),
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long: a number with s, m, h or d.")] = "1h",
    expires: Annotated[
        int | None, typer.Option(metavar="UNIX", help="When it ends, in Unix seconds, instead of --for.")
    ] = None,
    key: Annotated[str, typer.Option(help="The id of the key to sign with; without it, the file's first.")] = "",
    url: Annotated[str, typer.Option(help="nginx's address as clients see it, to be put before each path.")] = "",
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Print signed addresses for photos or previews that PREW_NGINX_SIGNED closes.

    Whoever has one sees what it names until it expires; its key's removal
    from the keys file ends it earlier. One for all photos below a prefix is
    printed up to where a photo's name is put in, before the ?.
    """
    from prewmanager.commands import sign as command  # noqa: PLC0415 -- so that the other commands start at once

    asked = command.SignRequest(tuple(photos), tuple(preset or ()), keys_file, key, lasts, expires, url)
    try:
        command.show(_settings(source), asked, as_json=as_json)
    except InvalidSettings as error:
        _stop(error)


@app.command(epilog="Example:\nprewmanager doctor --url https://images.example.com")
def doctor(
    url: Annotated[str, typer.Option(help="nginx's address as clients see it; without it, nginx is not checked.")] = "",
    replica: Annotated[
        list[str] | None, typer.Option(help="A replica's own address, host:port; repeat the option for each replica.")
    ] = None,
    photo: Annotated[str, typer.Option(help="The key of the photo to render; without it, one of those listed.")] = "",
    source: Source = "",
    as_json: AsJson = False,
) -> None:
    """Check everything that the service needs, and report what is wrong and how to fix it.

    Settings, port, Redis, clock, each permission on the buckets, previews of
    presets that are gone, the function, nginx, and whether the replicas that
    it asks have these settings. The function renders one preview, which is
    deleted. Exit code 1 if something is wrong.
    """
    from prewmanager.commands import doctor as command  # noqa: PLC0415 -- so that the other commands start at once

    _end(command.run(url, replica or (), photo, source, as_json=as_json))


def _end(command: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command and exit with its exit code; SIGTERM ends it like Ctrl-C, after the flights that it has begun."""
    from prewmanager.telemetry.logging import configure_logging  # noqa: PLC0415 -- slow to import

    configure_logging("warning")
    try:
        raise typer.Exit(asyncio.run(_until_terminated(command)))
    except asyncio.CancelledError:
        raise typer.Exit(EXIT_TERMINATED) from None
    except InvalidSettings as error:
        _stop(error)
    except PrewError as error:
        typer.echo(f"prewmanager: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


async def _until_terminated(command: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _settings(source: str = "", *, warn: bool = True) -> Settings:
    try:
        settings = read_settings_of(source)
    except InvalidSettings as error:
        _stop(error)
    for line in ignored_settings() if warn else ():
        typer.echo(f"prewmanager: {line}", err=True)
    return settings


def _stop(error: InvalidSettings) -> NoReturn:
    for line in error.lines:
        typer.echo(f"prewmanager: {line}", err=True)
    raise typer.Exit(EXIT_SETTINGS)
