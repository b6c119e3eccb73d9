"""The command line: `serve` runs the service, `presets` shows what the environment asks for."""

from __future__ import annotations

import json
from typing import Annotated, NoReturn

import typer

from prewmanager.errors import InvalidSettings
from prewmanager.settings import Settings, read_settings

EXIT_SETTINGS = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Image previews, made once and served from S3.",
)


@app.command()
def serve() -> None:
    """Run the service, configured by the environment alone. Ends on SIGTERM or SIGINT, after the requests under way."""
    # Imported here, so that the other commands start at once.
    from prewmanager.server import run  # noqa: PLC0415 -- see above

    run(_settings())


@app.command()
def presets(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list instead of a table.")] = False,
) -> None:
    """Show the presets that the environment asks for."""
    rows = [
        {"name": name, **preset.model_dump(), "fingerprint": preset.fingerprint}
        for name, preset in sorted(_settings().presets.items())
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console  # noqa: PLC0415 -- only a table needs it
    from rich.table import Table  # noqa: PLC0415 -- the same

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


def _settings() -> Settings:
    try:
        return read_settings()
    except InvalidSettings as error:
        _stop(error)


def _stop(error: InvalidSettings) -> NoReturn:
    for line in error.lines:
        typer.echo(f"prewmanager: {line}", err=True)
    raise typer.Exit(EXIT_SETTINGS)
