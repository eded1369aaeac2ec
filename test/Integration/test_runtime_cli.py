"""The artifact as a person meets it: errors, exit codes, and the same file through nibble-run."""

import json
import os
import pty
import select
import signal
import subprocess
import time

import pytest

from conftest import TEST_DATA, run, tool

TINY = TEST_DATA / "tiny" / "llama"
VERBS = ["generate", "chat", "logits", "tokenize", "detokenize", "template", "eval", "bench", "info", "verify"]


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


def test_interrupt_stops_the_program(demo):
    process = subprocess.Popen([str(demo.path), "generate", "-p", "Once", "-n", "1000", "--ignore-eos", "--threads", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130


def test_interrupt_stops_the_answer_and_not_the_chat(demo):
    """A terminal's Ctrl-C in the middle of an answer: the chat asks for the next line and ends at the end of input."""
    terminal, end = pty.openpty()
    process = subprocess.Popen([str(demo.path), "chat", "--threads", "1", "--greedy"], stdin=end, stdout=end, stderr=end,
                               start_new_session=True)
    os.close(end)

    def read_until(what, seconds=60):
        text, stop = b"", time.time() + seconds
        while what not in text:
            ready, _, _ = select.select([terminal], [], [], stop - time.time())
            assert ready, f"waited for {what}, found {text}"
            text += os.read(terminal, 4096)

    try:
        read_until(b"Ctrl-D ends")
        for _ in range(5):  # in the middle of an answer, or just behind it
            os.write(terminal, b"Tell me a story.\n")
            read_until(b"story.\r\n")  # the terminal's echo
            read_until(b" ")  # the answer has begun
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            assert process.poll() is None
        os.write(terminal, b"Hello!\n")
        read_until(b"Hello!\r\n")
        read_until(b"?")  # what it answers to that
        os.write(terminal, b"\x04")
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        os.close(terminal)
