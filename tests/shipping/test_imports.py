"""The files that a package needs."""

from __future__ import annotations

from pathlib import Path

from shipping.imports import needed_by


def test_direct_and_indirect_imports_are_found_and_nothing_else(tmp_path: Path) -> None:
    modules = {
        "package/__init__": "",
        "package/entry": "import json\nfrom package import one\nfrom package.two import name\n",
        "package/one": "def late():\n    import package.inner.three\n",
        "package/two": "from package import entry, NAME\n",
        "package/inner/__init__": "from beside import fields\n",
        "package/inner/three": "",
        "package/inner/other": "from package import entry\n",
        "package/other": "from package import entry\n",
        "beside/__init__": "",
        "beside/fields": "",
        "beside/other": "",
    }
    for name, text in modules.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    needed = ["beside/__init__", "beside/fields", "package/__init__", "package/entry"]
    needed += ["package/inner/__init__", "package/inner/three", "package/one", "package/two"]
    assert needed_by(tmp_path, "package.entry") == tuple(f"{name}.py" for name in needed)
