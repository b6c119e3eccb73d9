"""The documents agree with the code: settings, defaults, statuses, modules, targets of make, links."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from devstack.local_settings import read_local_settings
from devstack.nginx_server import SOURCES, effective_environment
from prewmanager.adapters.redis.flight_store import KEY_PREFIX
from prewmanager.adapters.redis.photo_faults import PHOTO_KEY_PREFIX
from prewmanager.config.reading import read_settings
from prewmanager.config.settings import Settings
from prewmanager.config.sources import SourceSettings
from prewmanager.errors import failure_classes
from prewmanager.web.problems import STATUSES
from prewmanager_presets import Preset, definitions
from tests.docs.tables import PAGES, REFERENCE, ROOT, function_variables, service_variables, with_tables
from tests.support.nginx_version import resolves_again

DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for folder in ("docs", "examples", "infra") for path in ROOT.glob(f"{folder}/**/*.md")),
        ROOT / "nginx" / "README.md",
    ]
)
# Files that mention variables without being documents.
EXAMPLES = sorted([*ROOT.glob("examples/*.env"), *ROOT.glob("infra/**/*.env")])
CONFIGURATION = sorted(
    [*ROOT.glob(".env.example"), *EXAMPLES, *ROOT.glob("*compose*.y*ml"), *ROOT.glob("infra/**/*.yaml")]
)

HTTP = REFERENCE / "http.md"
MAX_README_WORDS = 1000

SetEnvironment = Callable[[Mapping[str, str]], None]
_ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_PRESET_VARIABLE = re.compile(rf"PREW_PRESETS__[A-Z0-9_]+?__({'|'.join(name.upper() for name in definitions(Preset))})")
_SOURCE_VARIABLE = re.compile(
    rf"PREW_SOURCES__[A-Z0-9_]+?__({'|'.join(name.upper() for name in SourceSettings.model_fields)})"
)
_LOCAL = {"PREW_LOCAL_PORT", "PREW_LOCAL_PHOTOS", "PREW_LOCAL_REPLICAS", "PREW_LOCAL_S3_DELAY"}


@pytest.fixture(name="environment")
def _environment(monkeypatch: pytest.MonkeyPatch) -> SetEnvironment:
    """Replaces the variables of settings by these."""

    def put(variables: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith(("PREW_", "AWS_"))]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _nginx_table() -> dict[str, str]:
    """Return the defaults by variable in nginx/README.md, without their quotes."""
    return dict(re.findall(r"^\| `(\w+)` \| `?(.+?)`? \|", _text(SOURCES / "README.md"), re.MULTILINE))


def _built_by_nginx() -> set[str]:
    """Return the template variables that nginx's scripts set."""
    scripts = "".join(map(_text, (SOURCES / "docker-entrypoint.d").glob("[12][09]-*.envsh")))
    return set(re.findall(r"^(PREW_\w+)=", scripts, re.MULTILINE))


# The cleaner's alone; docs/operations.md describes it.
_CLEANER = {"PREW_SERVICE_URL"}


def _is_of_name(variable: str) -> bool:
    return bool(_PRESET_VARIABLE.fullmatch(variable) or _SOURCE_VARIABLE.fullmatch(variable))


def _known_variables() -> set[str]:
    ours = {variable.name for variable in [*service_variables(), *function_variables()]}
    return ours | set(_nginx_table()) | _LOCAL | _CLEANER


def _read(path: Path) -> dict[str, str]:
    """Return the variables that an environment file sets, without those behind a `#`."""
    return dict(_ASSIGNMENT.findall(re.sub("(?m)^#.*", "", _text(path))))


def _anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", _text(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _links(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the files and anchors of the project that a document links to."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _text(path)):
        if not re.match(r"[a-z]+:", target):
            file, _, anchor = target.partition("#")
            yield file, anchor


@pytest.mark.parametrize("page", sorted(set(PAGES.values())), ids=_name)
def test_generated_tables_are_up_to_date(page: Path) -> None:
    """`python -m tests.docs.tables --write` updates them."""
    assert with_tables(page) == _text(page)


def test_the_readme_is_short() -> None:
    assert len(_text(ROOT / "README.md").split()) <= MAX_README_WORDS


def test_env_example_has_every_setting_with_its_default() -> None:
    shown = re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", _text(ROOT / ".env.example"), re.MULTILINE)
    local = read_local_settings(ROOT / "no-such-file", {})
    expected = {variable.name: variable.default for variable in [*service_variables(), *function_variables()]}
    expected |= {
        "PREW_LOCAL_PORT": str(local.port),
        "PREW_LOCAL_PHOTOS": str(local.photos or ""),
        "PREW_LOCAL_REPLICAS": str(local.replicas),
        "PREW_LOCAL_S3_DELAY": "",
        "PREW_SOURCE_KEYS": "photo/",  # an empty one is not unset
    }

    assert sorted(name for name, _ in shown) == sorted({name for name, _ in shown})
    assert {name: value for name, value in shown if not name.startswith("PREW_NGINX_")} == expected


def test_nginx_variables_of_env_example_have_the_defaults_of_nginxs_readme() -> None:
    shown = dict(re.findall(r"^#(PREW_NGINX_\w+)=(.*)$", _text(ROOT / ".env.example"), re.MULTILINE))

    assert shown
    assert shown.items() <= {name: value.replace("empty", "") for name, value in _nginx_table().items()}.items()


@pytest.mark.parametrize("path", [*DOCUMENTS, *CONFIGURATION], ids=_name)
def test_every_variable_in_a_document_exists(path: Path) -> None:
    named = set(re.findall(r"\b(?:PREW|RESIZE)_[A-Z0-9_]*[A-Z0-9]\b", _text(path)))
    unknown = {name for name in named - _known_variables() if not _is_of_name(name)}

    assert unknown == set()


def test_every_variable_of_a_source_is_described() -> None:
    page = _text(ROOT / "docs" / "how-to" / "several-sources.md")
    described = re.findall(r"^\| `PREW_SOURCES__<NAME>__([A-Z]+)` \|", page, re.MULTILINE)

    assert described == [name.upper() for name in ("bucket", "hosts", "keys", "presets")]
    assert set(described) == {name.upper() for name in SourceSettings.model_fields}


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_times_in_brackets_are_the_defaults(path: Path) -> None:
    """For example "`PREW_LEASE` (5 s)"."""
    stated = set(re.findall(r"`(PREW_\w+)` \(([\d.]+) s\)", _text(path)))
    defaults = {(variable.name, variable.default) for variable in service_variables()}

    assert stated <= defaults


def test_the_time_line_has_the_default_times() -> None:
    """The lines of docs/architecture.md that name a variable begin with its default."""
    stated = re.findall(r"^ +~?([\d.]+) s +(PREW_\w+)", _text(ROOT / "docs" / "architecture.md"), re.MULTILINE)
    defaults = {variable.name: variable.default for variable in service_variables()}

    assert len(stated) == 4
    assert [(seconds, name) for seconds, name in stated if defaults[name] != seconds] == []


def test_nginxs_table_has_exactly_the_variables_in_use() -> None:
    templates = "".join(_text(path) for path in (SOURCES / "templates").rglob("*.template"))
    checks = "".join(_text(path) for path in (SOURCES / "docker-entrypoint.d").glob("1[89]-*.envsh"))
    in_templates = set(re.findall(r"\$\{(PREW_\w+)\}", templates))
    table, built = set(_nginx_table()), _built_by_nginx()

    assert in_templates - table - built == set()
    assert table - in_templates - set(re.findall(r"\$\{?(PREW_\w+)", checks)) == set()


def test_the_documented_statuses_are_those_of_the_service() -> None:
    listed = re.findall(r"^\| (\d{3}) \| ([\w ]*?) *\|", _text(HTTP), re.MULTILINE)
    expected = {(str(int(status)), title) for _, status, title in STATUSES}

    assert set(listed) == expected | {("200", ""), ("304", ""), ("500", "Internal error")}


@pytest.mark.parametrize("document", [HTTP, ROOT / "docs" / "architecture.md"], ids=_name)
def test_every_failure_kind_is_documented(document: Path) -> None:
    assert {kind for kind in failure_classes() if f"`{kind}`" not in _text(document)} == set()


def test_the_documented_redis_keys_are_those_of_the_code() -> None:
    for prefix in (KEY_PREFIX, PHOTO_KEY_PREFIX):
        assert f"{prefix}<bucket" in _text(ROOT / "docs" / "architecture.md")


def test_tests_that_security_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", _text(ROOT / "docs" / "security.md")))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", _text(path), re.MULTILINE)
    }

    assert named
    assert named - defined == set()


def _listing(package: str) -> set[str]:
    """Return the files and folders that docs/architecture.md lists for a package, by their paths in it."""
    listing = re.search(
        rf"^    {package}/ .*\n((?:^      .+\n)+)", _text(ROOT / "docs" / "architecture.md"), re.MULTILINE
    )
    assert listing
    listed, folder = set(), ""
    for indent, name in re.findall(r"^    ( +)([\w.]+/?)", listing[1], re.MULTILINE):
        folder = folder if len(indent) > 2 else ""
        listed.add(folder + name)
        folder = name if name.endswith("/") and not folder else folder
    return listed


@pytest.mark.parametrize("package", ["prewmanager", "prewmanager_presets", "lambda_resize"])
def test_architecture_lists_every_module_and_package(package: str) -> None:
    """Those of the top level exactly once; below it, only existing ones."""
    listed, folder = _listing(package), ROOT / package
    modules = {path.name for path in folder.glob("*.py") if not path.name.startswith("__")}
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}

    assert {name for name in listed if not re.search("/.", name)} == modules | packages
    assert {name for name in listed if not (folder / name).exists()} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_each_make_target_in_a_document_exists(path: Path) -> None:
    text = _text(path)
    code = re.findall(r"`[^`\n]+`", text) + re.findall(r"^    .+$", text, re.MULTILINE)
    named = {target for line in code for target in re.findall(r"\bmake ([a-z][a-z-]*)", line)}
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", _text(ROOT / "Makefile"), re.MULTILINE))

    assert named - targets == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_each_link_leads_to_a_file_or_heading_of_the_project(path: Path) -> None:
    for file, anchor in _links(path):
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), file
        assert not anchor or anchor in _anchors(target), f"{file}#{anchor}"


@pytest.mark.parametrize("path", [*DOCUMENTS, *CONFIGURATION], ids=_name)
def test_no_path_of_a_developers_machine_is_named(path: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:home|Users|root|work|tmp|mnt)/\S*", _text(path)) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_an_example_is_accepted_by_the_service_and_by_nginxs_scripts(path: Path, environment: SetEnvironment) -> None:
    variables = _read(path)
    environment(variables)

    assert read_settings().presets
    if not resolves_again():  # the image's nginx does
        variables["PREW_NGINX_RESOLVER"] = ""
    assert effective_environment(variables)["PREW_NGINX_S3_HOST"]


def test_env_examples_defaults_are_accepted(environment: SetEnvironment) -> None:
    environment(dict(_ASSIGNMENT.findall(_text(ROOT / ".env.example"))) | {"PREW_SOURCE_BUCKET": "photos"})
    settings = read_settings()

    defaults = {name: field.default for name, field in Settings.model_fields.items() if not field.is_required()}
    # The example says what an unset one means.
    assert settings.source_keys == f"{defaults.pop('source_prefix')}/"
    del defaults["source_keys"]
    assert settings.model_dump(exclude={"presets", "source_bucket", "source_prefix", "source_keys"}) == defaults
