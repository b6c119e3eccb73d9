"""`python -m devstack.docs_source FOLDER`: stage the documents and the files they link to for the site generator.

The layout is the repository's, so that links work in the repository and on the site alike. The generator reads one
folder, and would treat everything else in the repository as pages.
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
    """Yield the documents of the site."""
    return sorted({path for pattern in _PAGES for path in ROOT.glob(pattern)})


def linked(page: Path) -> Iterator[Path]:
    """Yield the files of the repository that a document links to, such as pictures and examples."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        if "://" not in target and path.is_file() and path.is_relative_to(ROOT):
            yield path


def stage(folder: Path) -> int:
    """Copy everything into an empty `folder`, and return the number of files."""
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
