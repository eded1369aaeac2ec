"""/metrics of a live server, read by Prometheus' own Python library."""

import collections
import json
import time

import pytest

from serving import demo, serving  # noqa: F401

parser = pytest.importorskip("prometheus_client.parser", reason="prometheus_client is not installed: /metrics is not parsed")

COUNTERS = """vllm:prefix_cache_queries vllm:prefix_cache_hits vllm:num_preemptions vllm:prompt_tokens vllm:generation_tokens
vllm:request_success nibble:requests_rejected nibble:http_responses nibble:log_write_errors nibble:client_disconnects
nibble:steps nibble:computed_prompt_tokens nibble:slow_clients""".split()
GAUGES = """vllm:num_requests_running vllm:num_requests_waiting vllm:kv_cache_usage_perc nibble:queue_tokens
nibble:kv_cache_pages nibble:kv_cache_pages_used nibble:prefix_cache_idle_pages nibble:connections""".split()
HISTOGRAMS = """vllm:time_to_first_token_seconds vllm:inter_token_latency_seconds vllm:e2e_request_latency_seconds
vllm:request_queue_time_seconds vllm:request_prefill_time_seconds vllm:request_decode_time_seconds
vllm:request_inference_time_seconds vllm:request_prompt_tokens vllm:request_generation_tokens""".split()


@pytest.fixture(scope="module")
def own_server(demo):
    """One that no other test has asked anything."""
    with serving(demo) as running:
        yield running


def families(server):
    status, headers, text = server.request("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    found = list(parser.text_string_to_metric_families(text))
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


def value(family, suffix="", **labels):
    """The sum over samples that have these labels."""
    name = family.name + (suffix or ("_total" if family.type == "counter" else ""))
    return sum(sample.value for sample in family.samples
               if sample.name == name and labels.items() <= sample.labels.items())


def test_every_name_is_there(own_server):
    model = json.loads(own_server.request("GET", "/v1/models")[2])["data"][0]["id"]
    found = families(own_server)
    for kind, names in (("counter", COUNTERS), ("gauge", GAUGES), ("histogram", HISTOGRAMS)):
        for name in names:
            assert name in found, name
            assert found[name].type == kind and found[name].documentation
            assert found[name].samples, name
            assert all(sample.labels["model_name"] == model for sample in found[name].samples)
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_threads", "process_start_time_seconds"):
        assert value(found[name]) > 0
    assert value(found["process_cpu_seconds"]) >= 0  # counted by hundredths of a second
    started = value(found["process_start_time_seconds"])
    assert abs(started - (time.time() - (time.monotonic() - own_server.started))) < 3
    reasons = {sample.labels["finished_reason"] for sample in found["vllm:request_success"].samples}
    assert reasons == {"stop", "length", "abort", "error"}


def test_counts_add_up(own_server):
    before = families(own_server)
    usage = collections.Counter()
    for tokens, n in ((5, 1), (9, 1), (7, 2), (1, 1)):
        answer = own_server.complete(f"Once upon a time there were {tokens} foxes", max_tokens=tokens, n=n, ignore_eos=True, seed=1)
        usage.update({name: count for name, count in answer["usage"].items() if isinstance(count, int)})
        assert answer["usage"]["completion_tokens"] == tokens * n
    own_server.post("/v1/completions", {"prompt": "word " * 5000}, status=400)
    own_server.post("/v1/completions", {"prompt": "a", "temperature": -1}, status=400)
    own_server.post("/v1/completions", {"prompt": "a", "model": "another"}, status=404)
    own_server.wait_until(lambda figures: figures["vllm:num_requests_running"] == 0)
    after = families(own_server)

    def more(name, suffix="", **labels):
        return value(after[name], suffix, **labels) - value(before[name], suffix, **labels)

    answers, tokens = 5, 5 + 9 + 2 * 7 + 1
    assert more("vllm:prompt_tokens") == usage["prompt_tokens"]
    assert more("vllm:generation_tokens") == usage["completion_tokens"] == tokens
    assert more("vllm:request_success", finished_reason="length") == answers
    assert more("vllm:request_success") == answers
    for name in HISTOGRAMS:
        expected = {"vllm:inter_token_latency_seconds": tokens - answers, "vllm:request_prompt_tokens": 4}.get(name, answers)
        assert more(name, "_count") == expected, name
        counts = [sample.value for sample in after[name].samples if sample.name.endswith("_bucket")]
        assert counts == sorted(counts) and counts[-1] == value(after[name], "_count"), name
    assert more("vllm:request_generation_tokens", "_sum") == tokens
    assert more("vllm:request_prompt_tokens", "_sum") == usage["prompt_tokens"]
    assert more("vllm:e2e_request_latency_seconds", "_sum") >= more("vllm:request_inference_time_seconds", "_sum") > 0
    assert 0 <= more("vllm:prefix_cache_hits") <= more("vllm:prefix_cache_queries")
    assert more("nibble:requests_rejected", reason="too_long") == 1
    assert more("nibble:requests_rejected", reason="invalid") == 1
    assert more("nibble:requests_rejected", reason="not_found") == 1
    assert more("nibble:http_responses", status="400") == 2
    assert value(after["vllm:kv_cache_usage_perc"]) == 0
    assert value(after["nibble:queue_tokens"]) == 0
    assert value(after["nibble:kv_cache_pages"]) > 0


def test_running_requests_and_hang_ups_are_seen(own_server):
    before = own_server.metrics()
    stream = own_server.stream("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 900, "n": 8, "ignore_eos": True})
    next(iter(stream))
    running = own_server.wait_until(lambda figures: figures["vllm:num_requests_running"] > 0)
    assert 0 < running["vllm:kv_cache_usage_perc"] <= 1
    stream.close()
    after = own_server.wait_until(lambda figures: figures["vllm:num_requests_running"] == 0
                                  and figures["nibble:client_disconnects_total"] > before["nibble:client_disconnects_total"])
    assert after["vllm:kv_cache_usage_perc"] == 0
    assert families(own_server)["vllm:request_success"].samples
    aborted = value(families(own_server)["vllm:request_success"], finished_reason="abort")
    assert aborted == 8
