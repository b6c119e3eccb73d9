"""`python -m prewmanager`: the same as the command `prewmanager`."""

from prewmanager.cli import app

app(prog_name="prewmanager")
