"""`python -m devstack.docs_source FOLDER`: the documents and what they link to, staged for the site's generator.

The layout is the repository's, so that a link means the same there, here and in the site. The generator reads one
folder only, and would take everything else of the repository for pages.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PAGES = ("*.md", "docs/**/*.md", "examples/**/*.md", "nginx/*.md", "infra/*.md", "observability/*.md")
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def pages() -> list[Path]:
    """All documents."""
    return sorted({path for pattern in _PAGES for path in ROOT.glob(pattern)})


def linked(page: Path) -> Iterator[Path]:
    """Files of the repository that a document links to, pictures and examples for instance."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        if "://" not in target and path.is_file() and path.is_relative_to(ROOT):
            yield path


def stage(folder: Path) -> int:
    """Copy all of it into an empty `folder`, and say how many files that were."""
    shutil.rmtree(folder, ignore_errors=True)
    found = pages()
    files = {*found, *(path for page in found for path in linked(page))}
    for path in files:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return len(files)


if __name__ == "__main__":
    print(f"{stage(Path(sys.argv[1]))} files")
