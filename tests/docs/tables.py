"""The generated tables of docs/reference and docs/how-to: `python -m tests.docs.tables --write` updates them.

Each is between `<!-- name -->` and `<!-- /name -->` on its page.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from benchmarks import capacity_inputs
from lambda_resize.edge.settings import EdgeSettings
from lambda_resize.settings import Limits
from lambda_resize.settings import Settings as FunctionSettings
from prewmanager.config.settings import Settings
from prewmanager_presets import Preset, definitions
from prewmanager_presets.kinds import written
from tests.support import edge_requests

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
CAPACITY = ROOT / "docs" / "how-to" / "capacity.md"

# The page of each table.
PAGES = {
    "settings": REFERENCE / "settings.md",
    "function": REFERENCE / "settings.md",
    "presets": REFERENCE / "presets.md",
    **dict.fromkeys(("capacity", "capacity-limits", "capacity-costs", "capacity-inputs"), CAPACITY),
    "edge": REFERENCE / "edge.md",
    "edge-host": REFERENCE / "edge.md",
    "edge-requests": REFERENCE / "edge.md",
}

FUNCTION_FIELDS = {
    "max_source_bytes": "largest photo that the function reads, in bytes; above: 422",
    "max_source_pixels": "largest photo that it decodes, width x height; a baseline JPEG counts half; above: 422",
    "max_frame_pixels": "the same for formats whose decoder holds the whole picture (progressive JPEG, WebP, …)",
    "max_seconds": "time limit for decoding, scaling and encoding one photo; above: 504",
    "max_data_bytes": "largest preview that the answer includes; the service streams larger ones from S3",
    "object_acl": "canned ACL of the previews; leave unset if the bucket has ACLs disabled, which is S3's default",
    "allow_svg": "accept SVG; libvips does not trust the library that draws it",
    "allow_pdf": "accept PDF, and render its first page, if `pypdfium2` is installed",
    "extension": "in Lambda, answer before the preview is written and the photo checked again; `false`: after both",
    "decoder": "path of the Unix socket of a decoder, which renders in place of this process",
}


@dataclasses.dataclass(frozen=True)
class Variable:
    """One setting: its variable, its default as in an environment file, and its meaning."""

    name: str
    default: str
    meaning: str
    required: bool = False

    @property
    def row(self) -> str:
        """Return a row of the table."""
        shown = "required" if self.required else f"`{self.default}`" if self.default else "unset"
        return f"| `{self.name}` | {shown} | {self.meaning} |"


def service_variables() -> Iterator[Variable]:
    """Return the service's variables, in the order of the code."""
    for name, field in Settings.model_fields.items():
        names = _names(name, field)
        others = "".join(f"; also read from `{other}`" for other in names[1:])
        default = "" if field.is_required() else _written(field.default)
        yield Variable(names[0], default, f"{field.description}{others}", field.is_required())


def function_variables() -> Iterator[Variable]:
    """Return the resize function's variables."""
    fields = [*dataclasses.fields(Limits), *dataclasses.fields(FunctionSettings)]
    for field in fields:
        if field.name not in {"limits", "ends_at"}:
            yield Variable(f"RESIZE_{field.name.upper()}", _written(field.default), FUNCTION_FIELDS[field.name])


def preset_rows() -> Iterator[str]:
    """Return a row for each field of a preset."""
    for name, field in definitions(Preset).items():
        default = _written(field.default)
        shown = f"`{default}`" if default else "unset"
        yield f"| `__{name.upper()}` | {written(field.kind)} | {shown} | {field.description} |"


def edge_rows() -> Iterator[str]:
    """Return a row for each setting of the edge function, with its meaning from the class's docstring."""
    _, _, attributes = (inspect.getdoc(EdgeSettings) or "").partition("Attributes:\n")
    meanings = dict(re.findall(r"^    (\w+): (.+(?:\n {8,}.+)*)", attributes, re.MULTILINE))
    for field in dataclasses.fields(EdgeSettings):
        default = json.dumps(field.default)
        yield f"| `{field.name}` | `{default}` | {' '.join(meanings[field.name].split())} |"


def tables() -> dict[str, str]:
    """Return the text of each table by its name."""
    settings = ["| variable | default | meaning |", "|---|---|---|"]
    presets = ["| field | values | default | meaning |", "|---|---|---|---|"]
    return {
        "settings": "\n".join([*settings, *(variable.row for variable in service_variables())]),
        "presets": "\n".join([*presets, *preset_rows()]),
        "edge": "\n".join(["| setting | default | meaning |", "|---|---|---|", *edge_rows()]),
        "edge-host": "\n".join(f"- `{path}`: {answer}" for path, answer in edge_requests.PATHS.items()),
        "edge-requests": "\n".join(edge_requests.rows()),
        "function": "\n".join([*settings, *(variable.row for variable in function_variables())]),
        **capacity_inputs.tables(),
    }


def with_tables(page: Path) -> str:
    """Return the text of a page with its tables up to date. Raises `ValueError` if a place is missing."""
    text, made = page.read_text(encoding="utf-8"), tables()
    for name in (name for name, target in PAGES.items() if target == page):
        start, found, rest = text.partition(f"<!-- {name} -->\n")
        _, found_end, end = rest.partition(f"<!-- /{name} -->\n")
        if not (found and found_end):
            raise ValueError(f"{page.name} needs a place between <!-- {name} --> and <!-- /{name} -->")
        text = f"{start}{found}{made[name]}\n{found_end}{end}"
    return text


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [f"PREW_{name.upper()}"]


def _written(value: object) -> str:
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.docs.tables --write")
    for each in set(PAGES.values()):
        each.write_text(with_tables(each), encoding="utf-8")
