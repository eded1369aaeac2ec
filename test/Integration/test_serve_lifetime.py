"""What a server bears and how it ends: overload, deadlines, signals, logs and memory."""

import concurrent.futures
import json
import re
import signal
import socket
import subprocess
import time

from serving import LONG, STORY, demo, error_of, server, serving, text_of  # noqa: F401


def test_past_its_bound_the_queue_refuses_at_once_and_the_accepted_finish(demo):
    with serving(demo, "--max-sequences", 2, "--queue-requests", 4) as server:
        def ask(_):
            begun = time.monotonic()
            answer = server.request("POST", "/v1/completions", {"prompt": STORY, "max_tokens": 600, "n": 2,
                                                                "ignore_eos": True})
            return answer, time.monotonic() - begun

        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(ask, range(30)))
        refused = [(answer, seconds) for answer, seconds in answers if answer[0] == 429]
        accepted = [(answer, seconds) for answer, seconds in answers if answer[0] == 200]
        assert len(refused) + len(accepted) == 30 and len(refused) >= 10 and len(accepted) >= 5
        for answer, _ in refused:
            assert error_of(answer)["type"] == "rate_limit_error"
            assert int(answer[1]["retry-after"]) >= 1
        assert max(seconds for _, seconds in refused) < max(seconds for _, seconds in accepted) / 2
        for answer, _ in accepted:
            assert json.loads(answer[2])["usage"]["completion_tokens"] == 1200


def test_a_request_has_only_so_long(demo):
    with serving(demo, "--request-timeout", 0.3) as server:
        begun = time.monotonic()
        answer = server.post("/v1/completions", LONG)
        assert time.monotonic() - begun < 5
        assert 0 < answer["usage"]["completion_tokens"] < 16 * 1000
        assert answer["choices"][0]["finish_reason"] == "length"


def test_terminated_it_drains(demo):
    with serving(demo, "--drain-seconds", 30) as server:
        stream = server.stream("/v1/completions", LONG)
        chunks = iter(stream)
        next(chunks)
        server.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 10
        while (answer := server.request("POST", "/v1/completions", {"prompt": "a"}))[0] == 200 and time.monotonic() < until:
            time.sleep(0.01)
        assert answer[0] == 503 and int(answer[1]["retry-after"]) >= 1
        error_of(answer)
        assert server.request("GET", "/health")[0] == 503
        finished = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
        assert stream.done and finished.count("length") == 16
        assert server.process.wait(20) == 0


def test_what_does_not_end_while_draining_gets_an_error(demo):
    with serving(demo, "--drain-seconds", 0.2) as server:
        stream = server.stream("/v1/completions", LONG)
        chunks = iter(stream)
        next(chunks)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        last = list(chunks)[-1]
        assert stream.done and last["error"]["type"] == "server_error"
        assert server.process.wait(20) == 0
        assert time.monotonic() - begun < 5


def test_an_idle_server_ends_at_once_and_by_ctrl_c_with_130(demo):
    for how, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        with serving(demo) as server:
            begun = time.monotonic()
            assert server.stop(how) == code
            assert time.monotonic() - begun < 1


def test_a_second_signal_ends_it_now(demo):
    with serving(demo, "--drain-seconds", 60) as server:
        stream = server.stream("/v1/completions", LONG)
        next(iter(stream))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        begun = time.monotonic()
        assert server.stop(signal.SIGTERM) == 130
        assert time.monotonic() - begun < 1


def test_killed_it_serves_again_within_a_second(demo):
    with serving(demo) as first:
        stream = first.stream("/v1/completions", LONG)
        next(iter(stream))
        first.process.kill()
        first.process.wait()
        with serving(demo, port=first.port) as second:
            assert second.port == first.port
            assert second.seconds_to_ready < 1
            assert text_of(second.complete(STORY, max_tokens=2))


def test_a_port_that_is_taken_is_an_error(server, demo):
    done = subprocess.run([str(demo.path), "serve", "--port", str(server.port)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(server.port) in done.stderr


def test_the_access_log(demo, tmp_path):
    log = tmp_path / "access.log"
    with serving(demo, "--access-log", log) as server:
        server.complete(STORY, max_tokens=3, ignore_eos=True)
        server.request("GET", "/a%0ab?key=hidden")
        server.stop()
    first, second = log.read_text().splitlines()
    assert re.fullmatch(r'\S+Z 127\.0\.0\.1:\d+ "POST /v1/completions" 200 \d+\.\d{3}s prompt=\d+ cached=0 completion=3 id=\S+',
                        first)
    assert '"GET /a%0ab" 404' in second and "hidden" not in second


def test_a_full_disk_for_the_log_stops_nothing(demo):
    with serving(demo, "--access-log", "/dev/full") as server:
        for _ in range(20):
            assert text_of(server.complete(STORY, max_tokens=2, temperature=0))
        server.stop()
        assert len([line for line in server.lines if "/dev/full" in line]) == 1


def test_a_log_that_nobody_reads_stops_nothing(demo):
    """Standard output is a pipe whose reader has gone."""
    process = subprocess.Popen([str(demo.path), "serve", "--port", "0", "--access-log", "-"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        process.stdout.close()
        for line in process.stderr:
            if found := re.search(r"http://127.0.0.1:(\d+)/v1", line):
                port = int(found.group(1))
            if line == "ready\n":
                break
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_memory_is_said_and_kept_to(demo):
    """A cache of less than a context: requests are held to what it can store."""
    with serving(demo, "--memory", "70M", "--max-sequences", 8) as server:
        said = "".join(server.lines)
        pages = int(re.search(r"(\d+) pages of 32 positions", said).group(1))
        assert 1 <= pages < 32
        limit = json.loads(server.request("GET", "/v1/models")[2])["data"][0]["max_model_len"]
        assert limit == pages * 32
        answer = server.complete(STORY, max_tokens=limit - 10, ignore_eos=True)
        assert answer["usage"]["completion_tokens"] == limit - 10
        assert server.chat("What is 2 + 2?", temperature=0)["choices"][0]["finish_reason"] == "stop"
        refused = server.request("POST", "/v1/completions", {"prompt": STORY, "max_tokens": limit})
        assert error_of(refused)["code"] == "context_length_exceeded"
        assert error_of(server.request("POST", "/v1/completions", {"prompt": STORY, "n": 9}))["param"] == "n"
