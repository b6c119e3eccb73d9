"""What commands print, as a pipe and as a terminal get it."""

from __future__ import annotations

import pytest

from prewmanager.commands.output import print_line, print_table, progress
from tests.support.fakes import FakeClock

KEYS = ["photo/a[/b].jpg", "photo/[red]b[resize].jpg", "photo/:smile:.jpg", f"photo/{'long/' * 60}c.jpg"]


@pytest.mark.fault("key-looks-like-markup")
def test_a_table_in_a_pipe_has_each_text_whole_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"key": key, "[bold]kind": "corrupt"} for key in KEYS])
    lines = capsys.readouterr().out.splitlines()

    assert [sum(key in line for line in lines) for key in KEYS] == [1, 1, 1, 1]
    assert any("[bold]kind" in line for line in lines)


def test_columns_narrow_no_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_table([{"key": KEYS[-1]}])

    assert KEYS[-1] in capsys.readouterr().out


def test_a_terminal_folds_a_text_and_loses_none_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "30"}.items():
        monkeypatch.setenv(name, value)
    print_table([{"key": "abcdefghij" * 9}])
    shown = capsys.readouterr().out

    assert max(map(len, shown.splitlines())) <= 60  # with the sequences for bold
    assert "".join(each for each in shown if each in "abcdefghij").count("abcdefghij") >= 9


def test_control_characters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"key": "a\x1b[2Jb\nc"}])
    print_line("d\x1b[31me\nf" + "g" * 200)
    out = capsys.readouterr().out

    assert r"a\x1b[2Jb\nc" in out
    assert r"d\x1b[31me\nf" + "g" * 200 in out
    assert "\x1b" not in out


def test_progress_in_a_pipe_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("prewmanager.commands.output.time.monotonic", clock)
    with progress("previews", 30) as on_item:
        for _ in range(30):
            clock.now += 1
            on_item()

    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"prewmanager: previews: {done} of 30" for done in range(5, 31, 5)]
