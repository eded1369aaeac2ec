"""The artifact as a person meets it: errors, exit codes, and the same file through nibble-run."""

import fcntl
import json
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from conftest import TEST_DATA, interrupt, run, tool

TINY = TEST_DATA / "tiny" / "llama"
VERBS = ["generate", "chat", "logits", "tokenize", "detokenize", "template", "eval", "bench", "bench-schedule", "bench-serve",
         "info", "verify", "serve"]


@pytest.fixture(scope="module")
def model(compiled):
    return compiled(TINY, "--precision=int4")


@pytest.fixture(scope="module")
def demo(compiled):
    return compiled(TEST_DATA / "demo", "--precision=int4")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(model, verb):
    assert "xample" in model(verb, "--help").stdout


def test_nibble_run_runs_the_same_file(model):
    assert run(tool("nibble-run"), model.path, "info", "--json").stdout == model("info", "--json").stdout


def test_verify(model, tmp_path):
    assert model("verify").returncode == 0
    bytes_ = bytearray(model.path.read_bytes())
    weights = next(s for s in json.loads(model("info", "--json").stdout)["segments"] if s["name"] == "weights")
    bytes_[weights["offset"] + weights["size"] // 2] ^= 1
    altered = tmp_path / "altered"
    altered.write_bytes(bytes_)
    done = run(tool("nibble-run"), altered, "verify", check=False)
    assert done.returncode == 1 and "weights" in done.stderr


@pytest.mark.parametrize("words, code", [
    (("no-such-verb",), 2),
    (("generate",), 2),
    (("generate", "-p", "x", "--temperature", "-1"), 2),
    (("generate", "--no-such-option"), 2),
    (("logits", "--tokens", "missing.json", "-o", "x.npy"), 1),
    (("info", "--cpu", "pentium"), 1),
    (("generate", "-p", "x"), 1),  # this checkpoint has no tokenizer
])
def test_errors(model, words, code, tmp_path):
    done = model(*words, check=False, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", ["missing", "folder", "empty", "text", "truncated"])
def test_what_is_no_artifact_is_refused(model, tmp_path, make):
    path = tmp_path / "file"
    if make == "folder":
        path.mkdir()
    elif make == "empty":
        path.touch()
    elif make == "text":
        path.write_text("not an artifact\n" * 100)
    elif make == "truncated":
        path.write_bytes(model.path.read_bytes()[:-100])
    done = run(tool("nibble-run"), path, "info", check=False)
    assert done.returncode == 1
    assert str(path) in done.stderr


def test_tokens_outside_of_the_vocabulary(model, tmp_path):
    tokens = tmp_path / "tokens.json"
    for text in ("[[96]]", "[[-1]]", "[[1e9]]", '[["a"]]', "[[", "[]", "[" * 100000):
        tokens.write_text(text)
        done = model("logits", "--tokens", tokens, "-o", tmp_path / "x.npy", check=False)
        assert done.returncode == 1, text[:20]
    assert not (tmp_path / "x.npy").exists()


def test_prompt_over_the_context_is_refused_not_cut(model, tmp_path):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps([[5] * 300]))
    done = model("generate", "--tokens", tokens, check=False)
    assert done.returncode == 1 and "256" in done.stderr


class FullPipe:
    """A pipe that blocks its writer after the first few bytes: whoever writes an answer into it is in the middle of it."""

    ROOM = 8

    def __init__(self):
        self.end, self.input = os.pipe()
        size = fcntl.fcntl(self.input, fcntl.F_SETPIPE_SZ, 4096)
        self.filled = os.write(self.input, b"." * (size - self.ROOM))

    def wait_for_writer(self):
        stop = time.time() + 60
        while struct.unpack("i", fcntl.ioctl(self.end, termios.FIONREAD, b"1234"))[0] == self.filled:
            assert time.time() < stop, "nothing was written"
            time.sleep(0.001)

    def drain(self):
        """What was written, up to now or to the end; there is room for the writer again."""
        os.set_blocking(self.end, False)
        text = b""
        try:
            while part := os.read(self.end, 4096):
                text += part
        except BlockingIOError:
            pass
        skipped, self.filled = self.filled, 0
        return text[skipped:]


def test_interrupt_stops_the_program(demo):
    pipe = FullPipe()
    process = subprocess.Popen([str(demo.path), "generate", "-p", "Once", "-n", "1000", "--ignore-eos"],
                               stdout=pipe.input, stderr=subprocess.PIPE)
    os.close(pipe.input)
    pipe.wait_for_writer()
    process.send_signal(signal.SIGINT)
    text = pipe.drain()
    assert process.wait(timeout=20) == 130
    text += pipe.drain()
    assert 0 < len(text) < 500  # of some 4,000 characters


@pytest.mark.parametrize("words", [
    ("logits", "--tokens", "tokens.json", "-o", "out", "--decode-from", "0"),
    ("eval", "--tokens", "tokens.json", "--save-logits", "out"),
])
def test_interrupt_leaves_no_half_of_a_file(demo, tmp_path, words):
    (tmp_path / "tokens.json").write_text(json.dumps([[5] * 900] * 500))  # half a minute of work, gigabytes of logits
    process = subprocess.Popen([str(demo.path), *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        stop = time.time() + 60
        while int(pathlib.Path(f"/proc/{process.pid}/io").read_text().split("wchar:")[1].split()[0]) < 100000:
            assert time.time() < stop and process.poll() is None, "it writes no logits"
            time.sleep(0.01)
        assert interrupt(process)
    finally:
        process.kill()
        stdout, stderr = process.communicate()
    assert process.returncode == 130 and stdout == b"" and b"interrupted" in stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.json"]


def test_interrupt_stops_a_measurement(demo):
    """Between two steps, not between two lines of the table."""
    process = subprocess.Popen([str(demo.path), "bench", "--prompt", "64", "--decode", "900", "--repeat", "1000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert b"prompt 64," in process.stderr.readline()
        assert interrupt(process)
    finally:
        process.kill()
        stdout, _ = process.communicate()
    assert process.returncode == 130 and stdout == b""


@pytest.mark.parametrize("verb", ["tokenize", "detokenize"])
def test_interrupt_ends_the_wait_for_input(demo, verb):
    process = subprocess.Popen([str(demo.path), verb], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(b"Once upon a time\n" * 10000)
        process.stdin.flush()  # more than a pipe holds: it is reading
        assert interrupt(process)
    finally:
        process.kill()
        process.stdin.close()
        assert process.stdout.read() == b""


class ChatTerminal:
    """A chat whose questions and messages go through a terminal of its own, and whose answers through `stdout`."""

    ACKNOWLEDGED = (b"(stopped)\r\n", b"(/exit or Ctrl-D ends)\r\n")

    def __init__(self, demo, *words, stdout=None):
        self.terminal, end = pty.openpty()
        modes = termios.tcgetattr(end)
        modes[3] |= termios.NOFLSH  # Ctrl-C does not throw away what the chat may be writing in that moment
        termios.tcsetattr(end, termios.TCSANOW, modes)
        self.process = subprocess.Popen(
            [str(demo.path), "chat", "--greedy", *words], stdin=end, stdout=end if stdout is None else stdout, stderr=end,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(end)
        self.text = b""  # read and not yet looked for

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)

    def read_until(self, *wanted, seconds=60):
        """What comes before the first of `wanted`, and which one it was. What follows is left for the next call."""
        stop = time.time() + seconds
        while not (found := [(self.text.index(what), what) for what in wanted if what in self.text]):
            ready, _, _ = select.select([self.terminal], [], [], max(0, stop - time.time()))
            assert ready, f"waited for {wanted}, found {self.text}"
            self.text += os.read(self.terminal, 4096)
        at, what = min(found)
        before, self.text = self.text[:at], self.text[at + len(what):]
        return before, what

    def type(self, keys):
        os.write(self.terminal, keys)

    def say(self, line):
        """Types a line behind the prompt; returns once the terminal has shown it."""
        self.read_until(b"> ")
        self.type(line + b"\n")
        self.read_until(line + b"\r\n")

    def answer(self):
        """The whole answer to the line that was said, up to the next prompt, which is left."""
        text, _ = self.read_until(b"\r\n> ")
        self.text = b"> " + self.text
        return text.decode()

    def assert_goes_on(self):
        """It answers in full, and ends with the input."""
        self.say(b"What is 12 + 7?")
        answer = self.answer()
        assert "19" in answer and "stopped" not in answer
        self.read_until(b"> ")
        self.type(b"\x04")
        assert self.process.wait(timeout=20) == 0


@pytest.mark.parametrize("threads", ["1", "2"])
def test_interrupt_stops_the_answer_and_not_the_chat(demo, threads):
    pipe = FullPipe()
    with ChatTerminal(demo, "--threads", threads, stdout=pipe.input) as chat:
        os.close(pipe.input)
        chat.say(b"Tell me a story.")
        pipe.wait_for_writer()
        chat.type(b"\x03")
        chat.read_until(b"^C")
        answer = pipe.drain()
        chat.read_until(b"(stopped)\r\n")
        answer += pipe.drain()
        assert 0 < len(answer) < 50  # of some 400 characters
        chat.say(b"/clear")
        chat.say(b"What is 12 + 7?")
        chat.read_until(b"> ")
        assert b"19" in pipe.drain()
        chat.type(b"\x04")
        assert chat.process.wait(timeout=20) == 0


def test_every_interrupt_of_a_chat_is_acknowledged(demo):
    """Whenever it comes: in the middle of an answer, just before or behind it, several in a row while it waits."""
    with ChatTerminal(demo, "--threads", "2", "-n", "20") as chat:
        chat.read_until(b"Ctrl-D ends.\r\n")
        for _ in range(50):
            chat.type(b"\x03")
            chat.read_until(*ChatTerminal.ACKNOWLEDGED)
        for trial in range(20):
            chat.say(b"/clear")
            chat.say(b"Tell me a story.")
            time.sleep(trial * 0.002)
            chat.type(b"\x03")
            chat.read_until(*ChatTerminal.ACKNOWLEDGED)
        chat.assert_goes_on()
