"""A thousand streams at a time, and clients that hang up whenever they like.

NIBBLE_LOAD names the number of requests of which a third hang up (1,500 otherwise; the figure to reach is 10,000).
"""

import asyncio
import json
import os
import pathlib
import random
import time

from serving import demo, serving  # noqa: F401

REQUESTS = int(os.environ.get("NIBBLE_LOAD", 1500))


async def ask(port, body, hang_up=None):
    """The text of a stream, or None where the client has hung up: after so many events (0: before there are any)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = json.dumps({**body, "stream": True}).encode()
        writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                     % (len(data), data))
        await writer.drain()
        if hang_up == 0:
            await asyncio.sleep(random.random() * 0.05)
            return None
        status = await reader.readline()
        assert status.startswith(b"HTTP/1.1 200"), status + await reader.read()
        text, count = "", 0
        async for line in reader:
            if line.startswith(b"data: [DONE]"):
                return text
            if line.startswith(b"data: "):
                chunk = json.loads(line[6:])
                assert "error" not in chunk, chunk
                text += chunk["choices"][0]["text"]
                count += 1
                if count == hang_up:
                    return None
        raise AssertionError("the stream ended without [DONE]")
    finally:
        writer.close()


def figures_of(process):
    """(threads, descriptors, peak of resident memory in bytes)"""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(status["Threads"]), len(os.listdir(f"/proc/{process.pid}/fd")), int(status["VmHWM"].split()[0]) * 1024


def planned_bytes(server):
    """What the memory plan says that everything takes together."""
    words = next(line for line in server.lines if "together" in line).split()
    return float(words[1]) * {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[words[2]]


def test_a_thousand_streams_at_a_time(demo):  # noqa: F811
    with serving(demo, "--max-sequences", 256) as server:
        async def run():
            return await asyncio.gather(*(ask(server.port, {"prompt": f"Once upon a time {i}", "max_tokens": 40, "seed": i,
                                                            "ignore_eos": True}) for i in range(1000)))

        texts = asyncio.run(run())
        assert len(texts) == 1000 and all(texts)
        figures = server.wait_until(lambda now: now["vllm:num_requests_running"] == 0)
        assert figures["vllm:generation_tokens_total"] == 40_000
        assert figures["vllm:kv_cache_usage_perc"] == 0
        _, _, peak = figures_of(server.process)
        assert peak < planned_bytes(server)


def test_clients_that_hang_up_leave_nothing_behind(demo):  # noqa: F811
    with serving(demo, "--max-sequences", 64) as server:
        source = random.Random(3)

        async def run(count):
            limit = asyncio.Semaphore(200)

            async def one(i):
                async with limit:
                    hang_up = source.choice([0, 1, 5]) if i % 3 == 0 else None
                    text = await ask(server.port, {"prompt": f"Story {i % 97}: ", "max_tokens": 20, "seed": i,
                                                   "ignore_eos": True}, hang_up)
                    return text is not None

            return await asyncio.gather(*(one(i) for i in range(count)))

        asyncio.run(run(200))  # whatever is made once is made now
        server.wait_until(lambda now: now["vllm:num_requests_running"] + now["vllm:num_requests_waiting"] == 0)
        threads, _, _ = figures_of(server.process)
        finished = asyncio.run(run(REQUESTS))
        assert sum(finished) == REQUESTS - (REQUESTS + 2) // 3
        figures = server.wait_until(lambda now: now["vllm:num_requests_running"] + now["vllm:num_requests_waiting"] == 0, 60)
        assert figures["vllm:kv_cache_usage_perc"] == 0
        until = time.monotonic() + 10
        while (now := figures_of(server.process))[1] > 20 and time.monotonic() < until:
            time.sleep(0.05)
        assert now[0] == threads and now[1] <= 20
        assert now[2] < planned_bytes(server)
        assert server.stop() == 0
