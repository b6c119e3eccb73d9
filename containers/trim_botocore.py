"""`python trim_botocore.py ENVIRONMENT SERVICE…`: delete botocore's descriptions of all other AWS services."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def main(environment: Path, kept: set[str]) -> None:
    """Delete the folders of all other services. The files beside the folders apply to every service and stay."""
    (data,) = environment.glob("lib/python3.*/site-packages/botocore/data")
    folders = {folder.name: folder for folder in data.iterdir() if folder.is_dir()}
    if missing := kept - folders.keys():
        raise SystemExit(f"botocore has no {', '.join(sorted(missing))}")
    for name in folders.keys() - kept:
        shutil.rmtree(folders[name])


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
