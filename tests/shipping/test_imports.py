"""Which modules a package needs."""

from __future__ import annotations

from pathlib import Path

from shipping.imports import needed_by


def test_all_that_is_imported_directly_or_not_and_nothing_else(tmp_path: Path) -> None:
    """Each form of an import statement counts, also within functions; a circle comes to its end."""
    modules = {
        "__init__": "",
        "entry": "import json\nfrom package import one\nfrom package.two import name\n",
        "one": "def late():\n    import package.three\n",
        "two": "from package import entry, NAME\n",
        "three": "",
        "other": "from package import entry\n",
    }
    folder = tmp_path / "package"
    folder.mkdir()
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)

    assert needed_by(folder, "entry") == ("__init__", "entry", "one", "three", "two")
