"""Previews by a decoder process: the same as without, whatever it answers, and wherever it ends."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devstack.programs import Program
from lambda_resize import codecs, errors
from lambda_resize.decoder import messages
from lambda_resize.decoder.client import rendered
from lambda_resize.decoder.messages import Job
from lambda_resize.decoder.wire import GREETING, MAX_HEADER_BYTES, NonsenseError
from lambda_resize.download import Download
from lambda_resize.preview import Preview
from lambda_resize.rendering import render_many
from lambda_resize.resize import resize_many
from lambda_resize.settings import Limits, Settings, SettingsError
from prewmanager_presets import Spec
from tests.lambda_resize.pictures import encode, gradient, noise

SPECS = (Spec(width=320), Spec(width=90, height=90, format="webp"), Spec(height=50, format="png"))
JOB = Job((Spec(width=90),), Limits(max_seconds=20))
PHOTO = encode(noise(300, 200), "JPEG")
# Encoded in one step of many seconds, which libvips cannot interrupt.
ENDLESS = Spec(width=1000, height=1000, enlarge=True, format="avif", avif_effort=9)


@pytest.fixture(name="decoder", scope="module")
def _decoder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A decoder of one process, at the socket that is beside its log."""
    log = tmp_path_factory.mktemp("decoder") / "log"
    argv = [sys.executable, "-m", "lambda_resize.decoder", "--processes=1", str(log.with_name("socket"))]
    program = Program("decoder", argv, log)
    program.wait_ready(lambda: log.with_name("socket").exists())
    yield program
    program.stop()


@pytest.fixture(name="path", scope="module")
def _path(decoder: Program) -> str:
    return str(decoder.log.with_name("socket"))


@pytest.mark.parametrize("placeholder", [False, True])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_previews_are_the_same_bytes_as_without_it(path: str, file_format: str, *, placeholder: bool) -> None:
    photo = encode(gradient(500, 300), file_format)
    here, there = (
        list(render_many(photo, SPECS, Settings(decoder=each), placeholder=placeholder)) for each in (None, path)
    )

    assert here == there
    assert all(isinstance(each, Preview) for each in there)


def test_real_photos_have_the_same_previews_as_without_it(path: str, real_photos: Path) -> None:
    for photo in sorted(real_photos.iterdir()):
        here, there = (
            [each if isinstance(each, Preview) else (type(each), str(each)) for each in outcomes]
            for outcomes in (
                resize_many(photo.read_bytes(), SPECS),
                render_many(photo.read_bytes(), SPECS, Settings(decoder=path)),
            )
        )
        assert here == there, photo.name


def test_a_large_photo_and_large_previews_pass_the_socket(path: str) -> None:
    photo = encode(noise(3000, 2000), "PNG")
    specs = (Spec(width=3000, format="png"), Spec(width=2000, format="png"))
    assert len(photo) > 15_000_000
    assert list(rendered(path, photo, Job(specs, Limits()))) == list(resize_many(photo, specs))


def test_a_photo_that_arrives_is_sent_when_it_is_whole(path: str) -> None:
    pieces = iter([PHOTO[:1000], PHOTO[1000:]])
    photo = Download(len(PHOTO), len(PHOTO), pieces, lambda *_: iter([]))
    assert list(render_many(photo, SPECS, Settings(decoder=path))) == list(resize_many(PHOTO, SPECS))


@pytest.mark.parametrize(
    ("photo", "kind"),
    [(b"text", errors.Unsupported), (PHOTO[:200], errors.Corrupt), (encode(noise(), "PNG"), errors.TooLarge)],
)
def test_a_photos_fault_is_the_same_with_it(path: str, photo: bytes, kind: type[errors.ResizeError]) -> None:
    limits = Limits(max_source_pixels=59_999)
    here = list(resize_many(photo, SPECS, limits))
    there = list(rendered(path, photo, Job(SPECS, limits)))

    assert [(type(each), str(each)) for each in there] == [(type(each), str(each)) for each in here]
    assert {type(each) for each in there} == {kind}


def test_each_request_says_whether_svg_is_allowed(path: str) -> None:
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    for allowed in (True, False, True):
        (outcome,) = rendered(path, drawing, replace(JOB, allow_svg=allowed))
        assert isinstance(outcome, Preview if allowed else errors.Unsupported)


@pytest.mark.fault("decoder-dies")
def test_a_photo_that_ends_the_process_has_crashed_and_the_next_is_rendered(decoder: Program, path: str) -> None:
    killer = threading.Thread(target=_kill_what_renders, args=(decoder,))
    killer.start()
    outcomes = list(rendered(path, PHOTO, Job((*SPECS, ENDLESS, SPECS[0]), Limits(max_seconds=60))))
    killer.join()

    assert [type(each) for each in outcomes] == [Preview, Preview, Preview, errors.Crashed, errors.Crashed]
    assert isinstance(next(rendered(path, PHOTO, JOB)), Preview)


def _kill_what_renders(decoder: Program) -> None:
    """Kill the decoder's process once it has used a second of CPU for the photo."""
    (child,) = _children(decoder)
    began = _cpu_s(child)
    while _cpu_s(child) < began + 1:
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)


def _children(decoder: Program) -> list[int]:
    return [int(each) for each in Path(f"/proc/{decoder.pid}/task/{decoder.pid}/children").read_text().split()]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.fault("decoder-dies")
def test_the_kernel_ends_a_process_at_the_time_limit_whatever_its_encoder_does(decoder: Program, path: str) -> None:
    (child,) = _children(decoder)
    first, second = rendered(path, PHOTO, Job((SPECS[0], ENDLESS), Limits(max_seconds=1)))

    assert isinstance(first, Preview)
    assert isinstance(second, errors.TimedOut)
    assert isinstance(next(rendered(path, PHOTO, JOB)), Preview)
    assert child not in _children(decoder)


def test_time_that_s3_has_used_is_not_the_photos_fault(path: str) -> None:
    limits = Limits(max_seconds=9, ends_at=time.monotonic() + 1)
    (outcome,) = render_many(PHOTO, [ENDLESS], Settings(limits, decoder=path))
    assert isinstance(outcome, errors.StorageFailed)
    with pytest.raises(errors.StorageFailed):
        next(render_many(PHOTO, [ENDLESS], Settings(replace(limits, ends_at=0), decoder=path)))


def test_a_worker_that_goes_away_leaves_the_process_to_the_next(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        assert connection.recv(len(GREETING), socket.MSG_WAITALL) == GREETING
        connection.sendall(struct.pack(">I", 100))
    outcomes = rendered(path, PHOTO, Job(SPECS, Limits()))
    assert isinstance(next(outcomes), Preview)
    outcomes.close()  # type: ignore[attr-defined]  # of a generator
    assert isinstance(next(rendered(path, PHOTO, JOB)), Preview)


@pytest.mark.parametrize(
    "change",
    [
        {"specs": []},
        {"specs": [{}]},
        {"specs": [{"width": 10**9}]},
        {"specs": [{"unknown": 1}]},
        {"specs": 1},
        {"specs": [{"width": 1}] * 18},
        {"limits": {"max_seconds": 1e9}},
        {"limits": {"max_seconds": math.nan}},
        {"limits": {"max_seconds": -1}},
        {"limits": {"max_seconds": "1"}},
        {"limits": {"max_source_pixels": "1"}},
        {"limits": None},
        {"size": -1},
        {"size": 2**40},
        {"size": "1"},
        {"placeholder": 1},
    ],
)
def test_a_request_that_is_none_gets_no_answer(path: str, change: dict[str, Any]) -> None:
    with pytest.raises(NonsenseError):
        messages.job_of(JOB.header(3) | change)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        text = json.dumps(JOB.header(3) | change).encode()
        connection.sendall(struct.pack(">I", len(text)) + text)
        assert connection.recv(1000, socket.MSG_WAITALL) == GREETING
    assert isinstance(next(rendered(path, PHOTO, JOB)), Preview)


@contextmanager
def hostile(folder: Path, answer: bytes, *, hangs: bool = False) -> Iterator[str]:
    """Yield the path of a decoder that is taken over: it reads one photo, answers these bytes and closes, or hangs."""
    path = str(folder / "hostile")
    Path(path).unlink(missing_ok=True)
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(GREETING)
            (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
            header = json.loads(connection.recv(length, socket.MSG_WAITALL))
            connection.recv(header["size"], socket.MSG_WAITALL)
            try:
                connection.sendall(answer)
            except OSError:
                return  # nobody reads it
            if hangs:
                done.wait()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        done.set()
        thread.join()


def message(header: object, data: bytes = b"") -> bytes:
    """Return a message's bytes."""
    text = json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + data


GOOD: dict[str, Any] = {"content_type": "image/png", "width": 9, "height": 9, "size": 3, "thumbhash": None}
NONSENSE = {
    "no JSON": struct.pack(">I", 3) + b"abc",
    "no text": struct.pack(">I", 3) + b"\xff\xfe\xfd",
    "no object": message([1]),
    "deep": struct.pack(">I", 60_000) + b"[" * 60_000,
    "a number of many digits": struct.pack(">I", 50_000) + b"1" * 50_000,
    "long": struct.pack(">I", MAX_HEADER_BYTES + 1) + b" " * MAX_HEADER_BYTES,
    "nothing": message({}),
    "a page": message(GOOD | {"content_type": "text/html"}, b"abc"),
    "a drawing": message(GOOD | {"content_type": "image/svg+xml"}, b"abc"),
    "a header of HTTP": message(GOOD | {"content_type": "image/png\r\nx: y"}, b"abc"),
    "a list": message(GOOD | {"content_type": ["image/png"]}, b"abc"),
    "no width": message(GOOD | {"width": 0}, b"abc"),
    "a huge width": message(GOOD | {"width": 10**9}, b"abc"),
    "a huge area": message(GOOD | {"width": 10**6, "height": 10**6}, b"abc"),
    "a true width": message(GOOD | {"width": True}, b"abc"),
    "no bytes": message(GOOD | {"size": 0}),
    "fewer than none": message(GOOD | {"size": -1}, b"abc"),
    "a fraction": message(GOOD | {"size": 2.5}, b"abc"),
    "a placeholder": message(GOOD | {"thumbhash": "AAAA"}, b"abc"),
    "a missing photo": message({"kind": "missing", "error": "x"}),
    "credentials": message({"kind": "credentials", "error": "x"}),
    "an unknown kind": message({"kind": "x", "error": "x"}),
    "a kind that is a list": message({"kind": [], "error": "x"}),
    "no reason": message({"kind": "corrupt"}),
}


@pytest.mark.fault("decoder-taken-over")
@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_no_preview_and_says_nothing_of_the_photo(tmp_path: Path, name: str) -> None:
    with hostile(tmp_path, NONSENSE[name]) as path:
        outcomes = list(rendered(path, PHOTO, replace(JOB, specs=SPECS)))
    assert [type(each) for each in outcomes] == [errors.DecoderFailed] * len(SPECS)


@pytest.mark.fault("decoder-taken-over")
@pytest.mark.parametrize("hash_", [None, "", "AAA", "é" * 4, "A" * 200, 7])
def test_a_placeholder_that_is_none_is_nonsense(tmp_path: Path, hash_: object) -> None:
    with hostile(tmp_path, message(GOOD | {"thumbhash": hash_}, b"abc")) as path:
        (outcome,) = rendered(path, PHOTO, replace(JOB, placeholder=True))
    assert isinstance(outcome, errors.DecoderFailed)


@pytest.mark.fault("decoder-taken-over")
@pytest.mark.parametrize("answer", [b"", b"\0\0", message(GOOD, b"ab"), message(GOOD | {"size": 10**6}, b"ab")])
def test_a_connection_that_ends_early_is_a_crash(tmp_path: Path, answer: bytes) -> None:
    with hostile(tmp_path, answer) as path:
        (outcome,) = rendered(path, PHOTO, JOB)
    assert isinstance(outcome, errors.Crashed)


@pytest.mark.fault("decoder-taken-over")
@pytest.mark.parametrize("answer", [b"", b"\0\0", message(GOOD, b"ab")])
def test_a_decoder_that_never_ends_is_waited_for_no_longer_than_the_limit(tmp_path: Path, answer: bytes) -> None:
    with hostile(tmp_path, answer, hangs=True) as path:
        (outcome,) = rendered(path, PHOTO, Job(JOB.specs, Limits(max_seconds=0.2)))
    assert isinstance(outcome, errors.TimedOut)


@pytest.mark.fault("decoder-taken-over")
def test_more_bytes_than_a_worker_holds_are_not_read(tmp_path: Path) -> None:
    with hostile(tmp_path, message(GOOD | {"size": messages.MAX_PREVIEW_BYTES + 1})) as path:
        (outcome,) = rendered(path, PHOTO, JOB)
    assert isinstance(outcome, errors.TooLarge)


@pytest.mark.fault("decoder-taken-over")
def test_no_more_previews_than_asked_for_are_read(tmp_path: Path) -> None:
    with hostile(tmp_path, message(GOOD, b"abc") * 1000) as path:
        outcomes = list(rendered(path, PHOTO, replace(JOB, specs=SPECS)))
    assert outcomes == [Preview(b"abc", "image/png", 9, 9)] * len(SPECS)


@pytest.mark.fault("decoder-taken-over")
def test_what_a_failure_says_is_bounded_and_printable(tmp_path: Path) -> None:
    with hostile(tmp_path, message({"kind": "corrupt", "error": "a\n\x1b[2J\ud800" + "b" * 9000})) as path:
        (outcome,) = rendered(path, PHOTO, JOB)
    assert isinstance(outcome, errors.Corrupt)
    assert len(str(outcome)) == 1000
    assert str(outcome).isprintable()


JSON: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just([]) | st.just({})
)
FIELDS = st.fixed_dictionaries(
    {}, optional={name: st.just(value) | JSON for name, value in {**GOOD, "kind": "corrupt", "error": "x"}.items()}
)


@pytest.mark.fault("decoder-taken-over")
@settings(suppress_health_check=[HealthCheck.too_slow])  # its first text waits for tables of all characters
@given(header=FIELDS)
def test_any_header_is_a_preview_a_photos_failure_or_nonsense(header: dict[str, Any]) -> None:
    try:
        failure = messages.failure_of(header)
        if failure is None:
            preview, size = messages.preview_of(header, JOB)
    except NonsenseError:
        return
    if failure is not None:
        assert failure.kind in {"unsupported", "corrupt", "too_large", "timeout"}
    else:
        assert preview.content_type in {each.content_type for each in codecs.ENCODERS.values()}
        assert size >= 1


def test_a_decoder_may_answer_in_each_format_of_previews() -> None:
    assert {each.content_type for each in codecs.ENCODERS.values()} == messages.CONTENT_TYPES


def test_where_no_decoder_serves_the_photo_is_not_to_blame(tmp_path: Path) -> None:
    (outcome,) = rendered(str(tmp_path / "none"), PHOTO, JOB)
    assert isinstance(outcome, errors.DecoderFailed)


def test_a_photo_that_no_process_is_free_for_is_given_up_at_the_time_limit(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "busy"))
        listener.listen()
        (outcome,) = rendered(str(tmp_path / "busy"), PHOTO, Job(JOB.specs, Limits(max_seconds=0.2)))
    assert isinstance(outcome, errors.DecoderFailed)
    assert "busy" in str(outcome)


def test_a_worker_that_asks_a_decoder_loads_no_libvips(path: str) -> None:
    script = (
        "import sys; from lambda_resize import handler, rendering; from prewmanager_presets import Spec\n"
        "(preview,) = rendering.render_many(sys.stdin.buffer.read(), [Spec(width=9)], handler.SETTINGS)\n"
        "print(preview.width, sorted({'pyvips', 'pi_heif'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=PHOTO,
        env=os.environ | {"RESIZE_DECODER": path},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout.decode() == "9 []\n"


@pytest.mark.parametrize("value", ["decoder.sock", "/" + "a" * 107, "tcp://127.0.0.1:1"])
def test_a_socket_that_cannot_be_one_stops_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match=r"^RESIZE_DECODER: not an absolute path of at most 107 bytes$"):
        Settings.from_environment({"RESIZE_DECODER": value})


@pytest.mark.parametrize("arguments", [["--processes=0"], ["--processes=x"], []])
def test_a_decoder_without_socket_or_with_a_wrong_number_does_not_start(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lambda_resize.decoder", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
