"""The verb bench-serve against a small server that streams with known delays and fails in known ways, and against serve.

With the small server no model takes part: what is tested is what the clients see, and how it is counted.
"""

import http.server
import json
import threading
import time

import pytest

from conftest import run, tool
from serving import demo, serving  # noqa: F401

FIRST, GAP = 0.08, 0.03  # seconds: to the first token, between tokens


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the first token waits for the head's acknowledgement

    def log_message(self, *words):
        pass

    def reply(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.server.key and self.headers["Authorization"] != f"Bearer {self.server.key}":
            return self.reply(self.server.refusal, {"error": {"message": "who are you?"}})
        self.reply(200, {"object": "list", "data": [{"id": "fake", "meta": {"n_vocab": 1600}}]})

    def event(self, data):
        text = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            index = len(self.server.requests)
            self.server.requests.append((time.monotonic(), self.path, request))
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
        try:
            self.answer(index, request)
        finally:
            with self.server.lock:
                self.server.running -= 1

    def answer(self, index, request):
        kind = self.server.kinds(index)
        if kind == 429:
            return self.reply(429, {"error": {"message": "the queue is full"}})
        time.sleep(FIRST)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        chat = self.path.endswith("/chat/completions")
        if chat:
            self.event('{"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}')
        tokens = request["max_tokens"]
        for token in range(0, tokens, self.server.at_once):
            if token:
                time.sleep(GAP)
            if kind == "hang-up" and token >= 2:
                self.close_connection = True
                return
            if kind == "error" and token >= 2:
                self.event('{"error": {"message": "out of memory", "type": "server_error"}}')
                break
            choice = {"delta": {"content": " a"}} if chat else {"text": " a"}
            chunk = {"choices": [{**choice, "finish_reason": None}]}
            if self.server.counts == "each":
                chunk["usage"] = {"prompt_tokens": 5, "completion_tokens": token + self.server.at_once}
            self.event(json.dumps(chunk))
        if self.server.counts and request["stream_options"]["include_usage"]:
            self.event(json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": tokens}}))
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.lock = threading.Lock()
    server.requests, server.running, server.most = [], 0, 0
    server.kinds, server.counts, server.at_once, server.key = lambda index: "whole", "last", 1, ""
    server.refusal = 401
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def bench(server, *words, **options):
    url = f"http://127.0.0.1:{server.server_port}"
    return run(tool("nibble-run"), "no-such-artifact", "bench-serve", "--url", url, *words, **options)


def measure(server, *words):
    return json.loads(bench(server, "--json", "--quiet", *words).stdout)


def test_closed_loop_sees_the_delays(server):
    report = measure(server, "--concurrency", 4, "--requests", 12, "--output", 6, "--prompt", 10, "--warm-up", 2)
    assert (report["model"], report["path"]) == ("fake", "/v1/completions")
    (load,) = report["loads"]
    assert (load["requests"], load["complete"], load["failed"], load["shorter"]) == (12, 12, 0, 0)
    assert load["output_tokens"] == 72 and load["prompt_tokens"] == 60
    assert load["answers_with_usage"] == 12 and report["counted_by"] == "tokens are counted by the server's usage"
    # Delays are at least what the server sleeps, and not much more.
    total = FIRST + 5 * GAP
    for name, least, slack in (("ttft_ms", FIRST, 0.1), ("itl_ms", GAP, 0.03), ("tpot_ms", GAP, 0.03), ("e2e_ms", total, 0.3)):
        assert least * 1e3 * 0.95 <= load[name]["p50"] <= (least + slack) * 1e3, (name, load[name])
        assert load[name]["p50"] <= load[name]["p90"] <= load[name]["p99"] <= load[name]["max"]
    assert load["itl_ms"]["count"] == 12 * 5
    assert load["seconds"] >= 3 * total
    assert load["output_tokens_per_second"] == pytest.approx(72 / load["seconds"])
    assert server.most == 4
    assert len(server.requests) == 14
    for _, path, request in server.requests:
        assert path == "/v1/completions" and request["ignore_eos"] is True and request["stream"] is True
        assert request["model"] == "fake"
        assert len(request["prompt"]) == 10 and all(100 <= token < 1500 for token in request["prompt"])
    prompts = [tuple(request["prompt"]) for _, _, request in server.requests]
    assert len(set(prompts)) == 14


def test_open_loop_keeps_its_rate(server):
    words = ("--rate", 40, "--requests", 60, "--output", 3, "--warm-up", 0, "--seeds", 1)
    report = measure(server, *words)
    first = [(when, request["prompt"]) for when, _, request in server.requests]
    server.requests.clear()
    measure(server, *words)
    # The same prompts at the same moments: a seed fixes both (but for what threads of the server swap).
    assert sorted(prompt for _, prompt in first) == sorted(request["prompt"] for _, _, request in server.requests)
    for (when, _), (again, _, _) in zip(first, server.requests):
        assert (when - first[0][0]) == pytest.approx(again - server.requests[0][0], abs=0.15)
    (load,) = report["loads"]
    assert load["complete"] == 60 and load["rate"] == 40 and load["concurrency"] is None
    assert 60 / 40 * 0.5 < load["seconds"] < 60 / 40 * 2 + 0.5  # 60 Poisson intervals: within 4 standard deviations


def test_sweep_runs_three_seeds_and_prints_a_table(server):
    done = bench(server, "--rate", "20,60", "--requests", 6, "--output", "exponential:3:5", "--warm-up", 1,
                 "--targets", "ttft=10000,itl=5000")
    assert "3 seeds" in done.stdout and "rate 20" in done.stdout and "rate 60" in done.stdout
    assert "goodput/s" in done.stdout and "TTFT p50" in done.stdout
    assert len(server.requests) == 1 + 2 * 3 * 6
    assert "done" in done.stderr or done.stderr == ""
    lengths = [request["max_tokens"] for _, _, request in server.requests]
    assert set(lengths) <= {1, 2, 3, 4, 5}


def test_everything_at_once(server):
    report = measure(server, "--rate", "inf", "--requests", 200, "--output", 50, "--warm-up", 0)
    (load,) = report["loads"]
    assert load["rate"] == "inf" and load["complete"] == 200
    assert server.most > 100


def test_failures_are_told_by_kind(server):
    kinds = [429, "hang-up", "error", "whole", "whole", 429]
    server.kinds = lambda index: kinds[index]
    report = measure(server, "--concurrency", 1, "--requests", 6, "--output", 4, "--warm-up", 0)
    (load,) = report["loads"]
    assert (load["complete"], load["failed"]) == (2, 4)
    assert {name: entry["count"] for name, entry in load["failures"].items()} == {"429": 2, "hang-up": 1, "error event": 1}
    assert load["failures"]["429"]["message"] == "the queue is full"
    assert load["failures"]["error event"]["message"] == "out of memory"
    assert load["output_tokens"] == 8  # of those that are whole
    server.requests.clear()
    text = bench(server, "--concurrency", 1, "--requests", 6, "--output", 4, "--warm-up", 0).stdout
    assert "2 failed: 429 (the queue is full)" in text and "1 failed: hang-up" in text


def test_goodput_counts_what_meets_the_targets(server):
    words = ("--concurrency", 2, "--requests", 4, "--output", 4, "--warm-up", 0, "--targets")
    (load,) = measure(server, *words, f"ttft={FIRST * 1e3 * 20},itl=2000")["loads"]
    assert load["goodput_per_second"] == pytest.approx(load["requests_per_second"])
    (load,) = measure(server, *words, f"ttft={FIRST * 1e3 * 0.9}")["loads"]
    assert load["goodput_per_second"] == 0


def test_tokens_without_usage_are_chunks(server):
    server.counts = None
    report = measure(server, "--requests", 2, "--output", 4, "--warm-up", 0)
    assert report["loads"][0]["output_tokens"] == 8
    assert report["loads"][0]["answers_with_usage"] == 0
    assert "a chunk counts as a token" in report["counted_by"]


def test_chunks_of_several_tokens_are_not_counted_as_one(server):
    server.at_once = 4
    report = measure(server, "--requests", 2, "--output", 12, "--warm-up", 0)
    (load,) = report["loads"]
    assert load["output_tokens"] == 24 and load["chunks"] == 6
    assert "4.000 tokens a chunk" in report["counted_by"]
    assert load["tpot_ms"]["p50"] >= 2 * GAP * 1e3 / 11 * 0.95  # two gaps, twelve tokens
    # Where the server counts in every chunk, a gap of four tokens is four times.
    server.counts = "each"
    (load,) = measure(server, "--requests", 2, "--output", 12, "--warm-up", 0)["loads"]
    assert load["itl_ms"]["count"] == 2 * 8
    assert GAP / 4 * 1e3 * 0.95 <= load["itl_ms"]["p50"] <= GAP / 4 * 1e3 * 2


def test_chat(server):
    report = measure(server, "--chat", "--requests", 2, "--output", 3, "--prompt", 20, "--warm-up", 0,
                     "--extra-body", '{"top_p": 0.5}', "--stop-at-eos")
    assert report["path"] == "/v1/chat/completions"
    (load,) = report["loads"]
    assert load["output_tokens"] == 6 and load["chunks"] == 6  # the role is none
    _, path, request = server.requests[0]
    assert path == "/v1/chat/completions" and request["top_p"] == 0.5 and "ignore_eos" not in request
    (message,) = request["messages"]
    assert message["role"] == "user" and len(message["content"].split()) == 20


def test_keys_and_errors_are_clear(server):
    server.key = "secret"
    done = bench(server, "--requests", 1, check=False)
    assert done.returncode == 1 and "--api-key" in done.stderr
    assert bench(server, "--requests", 1, "--output", 2, "--api-key", "secret").returncode == 0
    server.refusal = 403
    done = bench(server, "--requests", 1, check=False)
    assert done.returncode == 1 and "who are you?" in done.stderr
    server.refusal = 401
    server.kinds = lambda index: 429
    done = bench(server, "--requests", 1, "--output", 2, "--api-key", "secret", check=False)
    assert done.returncode == 1 and "the queue is full" in done.stderr
    for words, said in ((("--url", "http://127.0.0.1:1"), "is a server running there"),
                        (("--url", "https://127.0.0.1"), "only http://"),
                        (("--output", "many"), "'many' is no length"),
                        (("--targets", "speed=1"), "--targets"),
                        (("--extra-body", "[1]"), "--extra-body")):
        done = run(tool("nibble-run"), "none", "bench-serve", *words, check=False)
        assert done.returncode == 1 and said in done.stderr, (words, done.stderr)
    for words in (("--rate", "0"), ("--rate", "x"), ("--rate", "1", "--concurrency", "2"), ("--requests", "0")):
        assert run(tool("nibble-run"), "none", "bench-serve", *words, check=False).returncode == 2


def test_slow_answers_time_out(server):
    begin = time.monotonic()
    done = bench(server, "--requests", 1, "--output", 100, "--warm-up", 0, "--timeout", 0.3, check=False)
    assert done.returncode == 1 and time.monotonic() - begin < 2.5
    assert "timeout" in done.stdout


def test_our_own_server(demo):
    with serving(demo) as ours:
        before = ours.metrics()["vllm:generation_tokens_total"]
        words = ("bench-serve", "--url", ours.url, "--json", "--quiet", "--prompt", "lognormal:40:0.5", "--output", 20,
                 "--requests", 300, "--warm-up", 2, "--server-pid", ours.process.pid)
        report = json.loads(demo(*words, "--rate", "inf").stdout)
        (load,) = report["loads"]
        assert load["complete"] == 300 and load["output_tokens"] == 300 * 20 and load["answers_with_usage"] == 300
        assert load["chunks"] <= 300 * 20  # a character of several tokens is one chunk
        assert 40 * 300 * 0.8 < load["prompt_tokens"] < 40 * 300 * 1.25
        assert report["server_peak_bytes"] > 1 << 20
        # The server's own count, and that of its clients.
        assert ours.metrics()["vllm:generation_tokens_total"] - before == 302 * 20
        (load,) = json.loads(demo(*words, "--chat", "--concurrency", 8).stdout)["loads"]
        assert load["complete"] == 300 and load["output_tokens"] == 300 * 20
