"""Many clients at once: streams that all finish, clients that hang up, and what a server holds afterwards."""

import asyncio
import json
import os
import pathlib
import random
import re

import pytest

from serving import demo, serving  # noqa: F401 (a fixture)

STREAMS = 1000
REQUESTS = int(os.environ.get("NIBBLE_LOAD_REQUESTS", "10000"))  # with a sanitizer fewer tell as much


def resources(process):
    """(threads, descriptors) of a process."""
    folder = pathlib.Path("/proc", str(process.pid))
    threads = int(re.search(r"Threads:\s+(\d+)", (folder / "status").read_text()).group(1))
    return threads, len(list((folder / "fd").iterdir()))


def peak_memory(process):
    """Bytes that were resident at most."""
    text = pathlib.Path("/proc", str(process.pid), "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) << 10


def completion(prompt, tokens, **members):
    body = json.dumps({"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "temperature": 0, **members}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


async def whole_answer(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    text = await reader.read()
    writer.close()
    return text


async def hang_up(port, request, seconds):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        await asyncio.wait_for(reader.read(), seconds)
    except asyncio.TimeoutError:
        pass
    writer.transport.abort()


def is_stream_of(text, tokens):
    """Whether a streamed answer came to its proper end with so many tokens."""
    usage = re.findall(rb'"completion_tokens":(\d+)', text)
    return text.startswith(b"HTTP/1.1 200") and b"data: [DONE]" in text and usage and int(usage[-1]) == tokens


def test_a_thousand_streams_finish_within_the_memory_given(demo, capsys):  # noqa: F811
    memory = 320 << 20
    with serving(demo, "--memory", str(memory), "--queue-requests", "2000") as server:
        async def all_at_once():
            requests = [completion([5 + i % 200, 6, 7], 24, stream=True, stream_options={"include_usage": True})
                        for i in range(STREAMS)]
            return await asyncio.gather(*(whole_answer(server.port, request) for request in requests))

        answers = asyncio.run(all_at_once())
        assert all(is_stream_of(answer, 24) for answer in answers), next(
            answer for answer in answers if not is_stream_of(answer, 24))
        figures = server.wait_until(lambda figures: figures["vllm:num_requests_running"] == 0)
        assert figures["vllm:generation_tokens_total"] == STREAMS * 24
        assert figures["vllm:kv_cache_usage_perc"] == 0
        used = peak_memory(server.process)
        with capsys.disabled():
            print(f" [{STREAMS} streams: at most {used >> 20} of {memory >> 20} MiB]", end="")
        if "NIBBLE_RUNTIME" not in os.environ:  # a sanitizer has memory of its own
            assert used <= memory
        assert server.stop() == 0, server.lines


def test_clients_that_hang_up_leave_nothing_behind(demo):  # noqa: F811
    with serving(demo, "--queue-requests", "2000", "--max-sequences", "32") as server:
        asyncio.run(whole_answer(server.port, completion([5, 6, 7], 4)))
        before = resources(server.process)
        draw = random.Random(1)
        finished = 0

        async def client(numbers):
            nonlocal finished
            for i in numbers:
                request = completion([5 + i % 200] * draw.randint(1, 100), draw.randint(1, 16), stream=bool(i & 1))
                if i % 3 == 0:
                    await hang_up(server.port, request, draw.choice([0, 0.001, 0.01, 0.1]) * draw.random())
                else:
                    answer = await whole_answer(server.port, request)
                    assert answer.startswith(b"HTTP/1.1 200"), answer
                    finished += 1

        async def all_clients():
            clients = 64
            await asyncio.gather(*(client(range(first, REQUESTS, clients)) for first in range(clients)))

        asyncio.run(all_clients())
        assert finished == REQUESTS - (REQUESTS + 2) // 3
        figures = server.wait_until(lambda figures: figures["vllm:num_requests_running"] == 0
                                    and figures["vllm:num_requests_waiting"] == 0)
        assert figures["vllm:kv_cache_usage_perc"] == 0  # kept prefixes do not count
        threads, descriptors = resources(server.process)
        assert threads == before[0] and descriptors <= before[1] + 1  # the one that asks for metrics
        assert server.stop() == 0, server.lines
        assert not any("Sanitizer" in line for line in server.lines), server.lines


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 1, "seed": 7}])
def test_preemption_changes_no_answer(demo, sampling):  # noqa: F811
    """As many sequences as run at once need far more pages than there are."""
    prompts = [[5 + i, 6 + 2 * i, 7 + 3 * i] * 10 for i in range(24)]

    def answers(server, together):
        async def ask():
            requests = [completion(prompt, 150, **sampling) for prompt in prompts]
            if together:
                return await asyncio.gather(*(whole_answer(server.port, request) for request in requests))
            return [await whole_answer(server.port, request) for request in requests]

        return [json.loads(answer.split(b"\r\n\r\n", 1)[1])["choices"][0]["text"] for answer in asyncio.run(ask())]

    with serving(demo) as ample:
        expected = answers(ample, together=False)
        plan = "".join(ample.lines)
    page = int(float(re.search(r"([\d.]+) KiB a page", plan).group(1)) * 1024)
    whole = float(re.search(r"together\s+([\d.]+) MiB", plan).group(1)) * (1 << 20)
    pages = int(re.search(r"(\d+) pages", plan).group(1))
    with serving(demo, "--memory", str(int(whole - (pages - 40) * page))) as tight:  # 24 x 6 pages are wanted
        assert answers(tight, together=True) == expected
        assert tight.metrics()["vllm:num_preemptions_total"] > 0
