"""The tables of README.md that follow from the code: `python -m tests.docs.tables --write` brings them up to date.

Each stands between `<!-- name -->` and `<!-- /name -->`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from lambda_resize.settings import Limits
from lambda_resize.settings import Settings as FunctionSettings
from prewmanager.config.settings import Settings
from prewmanager.previews.preset import Preset

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"

# How the values of a preset's field are written, where its schema has no list of them.
PRESET_VALUES = {
    "width": "1 to 10000",
    "height": "1 to 10000",
    **dict.fromkeys(("quality", "jpeg_quality", "webp_quality", "avif_quality"), "1 to 100"),
    "webp_effort": "0 to 6",
    "avif_effort": "0 to 9",
    "dpr": "some of 2, 3 and 4, as `2,3`",
    "also": "at most 16 presets, as `card,hero`",
    "background": "`#rrggbb`",
    "sharpen": "0.1 to 10",
    "blur": "0.3 to 20",
}
FUNCTION_FIELDS = {
    "max_source_bytes": "largest photo that is read, in bytes; above: 422",
    "max_source_pixels": "largest photo that is decoded, width x height; above: 422",
    "max_frame_pixels": "the same where a decoder holds the whole picture (progressive JPEG, WebP, …)",
    "max_seconds": "time for decoding, scaling and encoding of one photo; above: 504",
    "max_data_bytes": "largest preview that is sent along in the answer; larger ones are streamed from S3",
    "object_acl": "canned ACL of the previews; unset for buckets with ACLs disabled, which is S3's default",
    "allow_svg": "whether SVG is taken; what it draws on is a library that libvips does not trust",
}


@dataclasses.dataclass(frozen=True)
class Variable:
    """One setting: its variable, its default as it is written in a file of variables, and its meaning."""

    name: str
    default: str
    meaning: str
    required: bool = False

    @property
    def row(self) -> str:
        """As a row of the table."""
        shown = "required" if self.required else f"`{self.default}`" if self.default else "unset"
        return f"| `{self.name}` | {shown} | {self.meaning} |"


def service_variables() -> Iterator[Variable]:
    """Those of the service, in the order of the code."""
    for name, field in Settings.model_fields.items():
        names = _names(name, field)
        others = "".join(f"; also read from `{other}`" for other in names[1:])
        default = "" if field.is_required() else _written(field.default)
        yield Variable(names[0], default, f"{field.description}{others}", field.is_required())


def function_variables() -> Iterator[Variable]:
    """Those of the resize function."""
    fields = [*dataclasses.fields(Limits), *dataclasses.fields(FunctionSettings)]
    for field in fields:
        if field.name != "limits":
            yield Variable(f"RESIZE_{field.name.upper()}", _written(field.default), FUNCTION_FIELDS[field.name])


def preset_rows() -> Iterator[str]:
    """One row for each field of a preset."""
    for name, schema in Preset.model_json_schema()["properties"].items():
        listed = ", ".join(f"`{value}`" for value in schema.get("enum", ()))
        values = PRESET_VALUES.get(name) or listed or "true, false"
        default = _written(schema["default"])
        shown = f"`{default}`" if default else "unset"
        yield f"| `__{name.upper()}` | {values} | {shown} | {schema['description']} |"


def tables() -> dict[str, str]:
    """The text of each table by its name."""
    settings = ["| variable | default | meaning |", "|---|---|---|"]
    presets = ["| field | values | default | meaning |", "|---|---|---|---|"]
    return {
        "settings": "\n".join([*settings, *(variable.row for variable in service_variables())]),
        "presets": "\n".join([*presets, *preset_rows()]),
        "function": "\n".join([*settings, *(variable.row for variable in function_variables())]),
    }


def with_tables(text: str) -> str:
    """The text with each table in its place. Raises `ValueError` where a place is missing."""
    for name, table in tables().items():
        start, found, rest = text.partition(f"<!-- {name} -->\n")
        _, found_end, end = rest.partition(f"<!-- /{name} -->\n")
        if not (found and found_end):
            raise ValueError(f"README.md needs a place between <!-- {name} --> and <!-- /{name} -->")
        text = f"{start}{found}{table}\n{found_end}{end}"
    return text


def _names(name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [f"PREW_{name.upper()}"]


def _written(value: object) -> str:
    if value is None or value == []:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    written = with_tables(README.read_text(encoding="utf-8"))
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python -m tests.docs.tables --write")
    README.write_text(written, encoding="utf-8")
