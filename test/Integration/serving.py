"""A server of the demo model under test, and plain HTTP clients for it.

NIBBLE_RUNTIME names a nibble-run to serve with in place of the artifact's own: one built with a sanitizer.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import TEST_DATA

CHECKPOINT = TEST_DATA / "demo"


class Server:
    """`artifact serve`, from its "ready" on."""

    def __init__(self, model, *flags, port=0):
        self.started = time.monotonic()
        runtime = [os.environ["NIBBLE_RUNTIME"]] if "NIBBLE_RUNTIME" in os.environ else []
        self.process = subprocess.Popen([*runtime, str(model.path), "serve", "--port", str(port), *map(str, flags)],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.output = []
        ready = threading.Event()
        self.readers = [threading.Thread(target=self._read, args=(self.process.stderr, self.lines, ready), daemon=True),
                        threading.Thread(target=self._read, args=(self.process.stdout, self.output, None), daemon=True)]
        for reader in self.readers:
            reader.start()
        if not ready.wait(20):
            self.process.kill()
            pytest.fail("no 'ready' within 20 s: " + "".join(self.lines))
        self.seconds_to_ready = time.monotonic() - self.started
        self.port = int(re.search(r"http://[^:]+:(\d+)/v1", "".join(self.lines)).group(1))

    @staticmethod
    def _read(stream, lines, ready):
        for line in stream:
            lines.append(line)
            if ready and line == "ready\n":
                ready.set()
        if ready:
            ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, text). `body` is text, bytes, or an object for JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def post(self, path, body, status=200, **options):
        """The answer's JSON."""
        found, _, text = self.request("POST", path, body, **options)
        assert found == status, text
        return json.loads(text)

    def chat(self, content, **members):
        return self.post("/v1/chat/completions", {"messages": [{"role": "user", "content": content}], **members})

    def complete(self, prompt, **members):
        return self.post("/v1/completions", {"prompt": prompt, **members})

    def stream(self, path, body):
        return Stream(self, path, body)

    def metrics(self):
        """{name: value}; series with labels besides model_name are summed up."""
        figures = {}
        for line in self.request("GET", "/metrics")[2].splitlines():
            if match := re.fullmatch(r"([\w:]+)(?:\{.*\})? (\S+)", line):
                figures[match.group(1)] = figures.get(match.group(1), 0) + float(match.group(2))
        return figures

    def wait_until(self, condition, seconds=20):
        """Asks the metrics until the condition holds."""
        until = time.monotonic() + seconds
        while not condition(figures := self.metrics()):
            assert time.monotonic() < until, figures
            time.sleep(0.01)
        return figures

    def stop(self, how=signal.SIGTERM, seconds=20):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join(5)
        return code


class Stream:
    """A streamed answer, read event by event from a socket."""

    def __init__(self, server, path, body):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.connection.request("POST", path, json.dumps({**body, "stream": True}), {"Content-Type": "application/json"})
        self.socket = self.connection.sock
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.done = False

    def __iter__(self):
        """The JSON of each event; what is not an event fails."""
        while line := self.answer.readline():
            assert line.startswith(b"data: "), line
            assert self.answer.readline() == b"\n"
            assert not self.done, line
            if line == b"data: [DONE]\n":
                self.done = True
            else:
                yield json.loads(line[6:])

    def close(self):
        """As a client that goes away."""
        self.answer.close()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()


@contextlib.contextmanager
def serving(model, *flags, port=0):
    server = Server(model, *flags, port=port)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.stop()


@pytest.fixture(scope="session")
def demo(compiled):
    return compiled(CHECKPOINT, "--precision=int4")


@pytest.fixture(scope="module")
def server(demo):
    with serving(demo) as running:
        yield running


STORY = "Once upon a time"
# A request that lasts: the whole context, sixteen times.
LONG = {"prompt": STORY, "max_tokens": 1000, "n": 16, "ignore_eos": True, "seed": 1}


def text_of(answer):
    return answer["choices"][0]["text"]


def error_of(answer):
    """The error of an answer (status, headers, text) that has one, in OpenAI's form."""
    status, headers, text = answer
    assert status >= 400, text
    assert headers["content-type"].startswith("application/json")
    error = json.loads(text)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str) and error["type"]
    return error
