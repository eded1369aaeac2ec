"""The server as a client meets it over plain sockets: answers, errors, who may ask, hang-ups."""

import concurrent.futures
import json
import random
import re
import shutil
import socket
import subprocess

import numpy as np
import pytest
from tokenizers import Tokenizer

from serving import CHECKPOINT, LONG, STORY, demo, error_of, server, serving, text_of  # noqa: F401

# ------------------------------------------------------------------------------------------------------------ Answers


def test_it_says_what_it_serves_and_how_to_ask(server):
    said = "".join(server.lines)
    assert re.search(r"KV cache .*pages of 32 positions", said)
    assert f"{server.url}/v1" in said
    assert said.index("memory plan") < said.index("curl ") < said.index("ready")
    if shutil.which("curl"):
        line = re.search(r"try: (curl .*)", said).group(1)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
        assert done.stdout.rstrip().endswith("data: [DONE]"), done.stdout + done.stderr


def test_models_and_health(server, demo):
    status, headers, text = server.request("GET", "/v1/models")
    assert status == 200
    entry, = json.loads(text)["data"]
    assert entry["id"] == demo.path.name  # whatever the checkpoint's architecture
    assert entry["object"] == "model" and entry["root"] == entry["id"] and entry["max_model_len"] == 1024
    assert isinstance(entry["created"], int) and entry["owned_by"]
    assert json.loads(server.request("GET", "/v1/models/" + entry["id"])[2]) == entry
    assert server.request("GET", "/v1/models/other")[0] == 404
    assert server.request("GET", "/health")[0] == 200
    assert server.request("GET", "/")[1]["content-type"].startswith("text/html")


def test_tokenize_is_the_tokenizers_and_back(server):
    reference = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    text = "Tom's café 😀 has 12 + 7 dogs."
    ids = reference.encode(text, add_special_tokens=False).ids
    answer = server.post("/tokenize", {"prompt": text, "return_token_strs": True})
    assert answer["tokens"] == ids and answer["count"] == len(ids) and answer["max_model_len"] == 1024
    assert len(answer["token_strs"]) == len(ids)
    assert server.post("/detokenize", {"tokens": ids}) == {"prompt": text}
    rendered = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    chat = server.post("/tokenize", {"messages": [{"role": "user", "content": "Hi"}]})
    assert chat["tokens"] == reference.encode(rendered, add_special_tokens=False).ids
    assert chat["token_strs"] is None


def test_chat_is_what_the_verb_chat_says(server, demo):
    question = "What is 12 + 7?"
    expected = demo("chat", "-p", question, "--greedy").stdout.rstrip("\n")
    answer = server.chat(question, temperature=0)
    choice, = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected, "refusal": None}
    assert choice["finish_reason"] == "stop"
    reference = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    prompt = reference.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
    usage = answer["usage"]
    assert usage["prompt_tokens"] == len(prompt)
    assert usage["completion_tokens"] == len(reference.encode(expected).ids) + 1  # and <|im_end|>
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    stream = server.stream("/v1/chat/completions", {"messages": [{"role": "user", "content": question}], "temperature": 0,
                                                    "stream_options": {"include_usage": True}})
    chunks = list(stream)
    assert stream.done and stream.status == 200
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[0]["choices"][0]["delta"]["content"]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1]) == expected
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + ["stop"]
    assert chunks[-1]["choices"] == []
    assert {name: chunks[-1]["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == \
        {name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert len({chunk["id"] for chunk in chunks}) == 1 and chunks[0]["id"].startswith("chatcmpl-")


def test_content_parts_roles_and_template_variables(server):
    plain = server.chat("What is 2 + 2?", temperature=0)
    parts = server.post("/v1/chat/completions", {
        "messages": [{"role": "user", "name": "ann", "content": [{"type": "text", "text": "What is 2 + 2?"}]}],
        "temperature": 0, "chat_template_kwargs": {"enable_thinking": False}})
    assert parts["choices"][0]["message"] == plain["choices"][0]["message"]
    ids = server.post("/tokenize", {"messages": [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]})
    same = server.post("/tokenize", {"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]})
    assert ids["tokens"] == same["tokens"]
    rest = server.post("/v1/chat/completions", {
        "messages": [{"role": "user", "content": "What is 12 + 7?"}, {"role": "assistant", "content": "12 + 7 ="}],
        "continue_final_message": True, "temperature": 0})
    assert rest["choices"][0]["message"]["content"] == " 19."


def test_completions_in_every_form_of_prompt(server):
    ids = server.post("/tokenize", {"prompt": STORY})["tokens"]
    expected = text_of(server.complete(STORY, temperature=0, max_tokens=8))
    for prompt in (ids, [STORY], [ids]):
        assert text_of(server.complete(prompt, temperature=0, max_tokens=8)) == expected
    both = server.complete([STORY, "The dog"], temperature=0, max_tokens=8, n=2)
    assert [choice["index"] for choice in both["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in both["choices"][:2]] == [expected] * 2
    assert both["choices"][2]["text"] == text_of(server.complete("The dog", temperature=0, max_tokens=8))
    assert both["usage"]["prompt_tokens"] == len(ids) + len(server.post("/tokenize", {"prompt": "The dog"})["tokens"])
    assert both["usage"]["completion_tokens"] == 32
    default = server.complete(STORY, temperature=0)
    assert default["usage"]["completion_tokens"] == 16 and default["choices"][0]["finish_reason"] == "length"


def test_echo_and_logprobs_are_the_models(server, demo):
    """Against log softmax of the logits that the verb `logits` writes."""
    answer = server.complete(STORY, temperature=0, max_tokens=6, echo=True, logprobs=3)
    choice, = answer["choices"]
    lists = choice["logprobs"]
    ids = server.post("/tokenize", {"prompt": choice["text"]})["tokens"]
    assert choice["text"].startswith(STORY) and len(lists["tokens"]) == len(ids)
    logits = demo.logits([ids]).astype(np.float64)
    logs = logits - np.log(np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)) \
        - logits.max(axis=1, keepdims=True)
    assert lists["token_logprobs"][0] is None and lists["top_logprobs"][0] is None
    for i in range(1, len(ids)):
        assert lists["token_logprobs"][i] == pytest.approx(logs[i - 1, ids[i]], abs=1e-4)
        top = sorted(lists["top_logprobs"][i].values(), reverse=True)[:3]
        assert top == pytest.approx(np.sort(logs[i - 1])[::-1][:3], abs=1e-4)
    assert "".join(lists["tokens"]) == choice["text"]
    assert lists["text_offset"] == [len("".join(lists["tokens"][:i])) for i in range(len(ids))]

    prompt_alone = server.complete(STORY, max_tokens=0, echo=True, logprobs=1)
    count = len(server.post("/tokenize", {"prompt": STORY})["tokens"])
    assert prompt_alone["choices"][0]["text"] == STORY
    assert prompt_alone["choices"][0]["logprobs"]["token_logprobs"] == lists["token_logprobs"][:count]
    assert prompt_alone["usage"]["completion_tokens"] == 0

    stream = list(server.stream("/v1/completions", {"prompt": STORY, "temperature": 0, "max_tokens": 6, "echo": True,
                                                    "logprobs": 3}))
    joined = {name: sum((chunk["choices"][0]["logprobs"][name] for chunk in stream if chunk["choices"][0]["logprobs"]), [])
              for name in lists}
    assert joined == lists


def test_chat_logprobs(server):
    choice = server.chat("What is 2 + 2?", temperature=0, logprobs=True, top_logprobs=2)["choices"][0]
    content = choice["logprobs"]["content"]
    assert bytes(sum((entry["bytes"] for entry in content), [])).decode() == choice["message"]["content"]
    for entry in content:
        assert len(entry["top_logprobs"]) == 2
        assert entry["top_logprobs"][0]["token"] == entry["token"]  # greedy
        assert entry["logprob"] == entry["top_logprobs"][0]["logprob"] <= 0


def test_stop_strings_end_a_text_before_them(server):
    whole = text_of(server.complete(STORY, temperature=0, max_tokens=40))
    word = whole.split()[6]
    for stop in (word, [word], ["never so", word]):
        answer = server.complete(STORY, temperature=0, max_tokens=40, stop=stop)
        assert text_of(answer) == whole[:whole.index(word)]
        assert answer["choices"][0]["finish_reason"] == "stop"
    stream = server.stream("/v1/completions", {"prompt": STORY, "temperature": 0, "max_tokens": 40, "stop": word})
    assert "".join(map(text_of, stream)) == whole[:whole.index(word)]


def test_seeds(server):
    def texts(**members):
        return [choice["text"] for choice in server.complete(STORY, **{"max_tokens": 24, "temperature": 1, "n": 4, **members})["choices"]]

    assert texts(seed=5) == texts(seed=5)
    assert len(set(texts(seed=5))) == 4
    assert texts(seed=5) != texts(seed=6)
    assert texts() != texts()
    assert texts(seed=5, temperature=0) == texts(temperature=0)


def test_choices_of_a_stream_are_told_apart(server):
    body = {"prompt": STORY, "max_tokens": 12, "seed": 3, "n": 3, "ignore_eos": True}
    parts = {0: "", 1: "", 2: ""}
    for chunk in server.stream("/v1/completions", body):
        parts[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert [parts[i] for i in range(3)] == [choice["text"] for choice in server.post("/v1/completions", body)["choices"]]


def test_bias_and_penalties_reach_the_sampler(server):
    token = server.post("/tokenize", {"prompt": " dog"})["tokens"][0]
    text = text_of(server.complete(STORY, max_tokens=4, temperature=0, ignore_eos=True, logit_bias={str(token): 100}))
    assert text == server.post("/detokenize", {"tokens": [token] * 4})["prompt"]
    penal = text_of(server.complete(STORY, max_tokens=4, temperature=0, ignore_eos=True, logit_bias={str(token): 20},
                                    frequency_penalty=2, presence_penalty=2, repetition_penalty=50))
    assert penal != text


def test_continuous_usage(server):
    stream = server.stream("/v1/completions", {"prompt": STORY, "max_tokens": 5, "ignore_eos": True, "temperature": 0,
                                               "stream_options": {"include_usage": True, "continuous_usage_stats": True}})
    counts = [chunk["usage"]["completion_tokens"] for chunk in stream]
    assert counts[0] == 1 and counts == sorted(counts) and counts[-1] == 5


def test_prefixes_are_found_again(demo):
    with serving(demo) as server:
        prompt = "A story about a dog. " * 20
        first, second = (server.complete(prompt, max_tokens=2, temperature=0) for _ in range(2))
        assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        assert second["usage"]["prompt_tokens_details"]["cached_tokens"] >= 32
        assert text_of(first) == text_of(second)


def test_answers_are_the_same_alone_and_among_64_others(server):
    def ask(seed):
        members = {"temperature": 0} if seed is None else {"temperature": 1, "seed": seed}
        return text_of(server.complete("The dog said", max_tokens=48, ignore_eos=True, **members))

    def other(i):
        return server.complete("Word " * (i % 40 + 1), max_tokens=20 + i, seed=i, ignore_eos=True)

    alone = [ask(seed) for seed in (None, 1, 2)]
    with concurrent.futures.ThreadPoolExecutor(72) as pool:
        others = [pool.submit(other, i) for i in range(64)]
        among = [pool.submit(ask, seed) for seed in (None, 1, 2)]
        assert [answer.result() for answer in among] == alone
        for answer in others:
            answer.result()


# ------------------------------------------------------------------------------------------------------------- Errors


@pytest.mark.parametrize("body, param, code", [
    ({"prompt": "a", "n": -1}, "n", None),
    ({"prompt": "a", "n": 10**30}, "n", None),
    ({"prompt": "a", "max_tokens": -5}, "max_tokens", None),
    ({"prompt": "a", "temperature": "hot"}, "temperature", None),
    ({"prompt": "a", "logit_bias": {"99999": 1}}, "logit_bias", None),
    ({"prompt": [-1]}, "prompt", None),
    ({"prompt": ""}, "prompt", None),
    ({"prompt": "a", "max_tokens": 5000}, "prompt", "context_length_exceeded"),
    ({"prompt": "word " * 3000}, "prompt", "context_length_exceeded"),
    ({}, "prompt", None),
])
def test_bad_requests_name_the_field(server, body, param, code):
    answer = server.request("POST", "/v1/completions", body)
    assert answer[0] == 400
    error = error_of(answer)
    assert error["param"] == param and error["code"] == code and error["type"] == "invalid_request_error"


def test_other_errors(server):
    def error(method, path, body=None, **options):
        answer = server.request(method, path, body, **options)
        return answer[0], error_of(answer), answer[1]

    assert error("POST", "/v1/completions", {"prompt": "a", "model": "gpt-9"})[0] == 404
    assert error("POST", "/v1/completions", {"prompt": "a", "model": "gpt-9"})[1]["code"] == "model_not_found"
    assert error("GET", "/v2/models")[0] == 404
    assert error("POST", "/v1/embeddings", {"input": "a"})[0] == 404
    status, _, headers = error("GET", "/v1/completions")
    assert status == 405 and headers["allow"] == "POST"
    assert error("DELETE", "/health")[2]["allow"] == "GET, HEAD"
    assert server.request("HEAD", "/health")[0] == 200
    status, found, _ = error("POST", "/v1/completions", '{"prompt": "a",\n "n": }')
    assert status == 400 and "line 2, column 7" in found["message"]
    assert error("POST", "/v1/completions", b"\xff\xfe")[0] == 400
    assert error("POST", "/v1/completions", "[" * 100_000)[0] == 400
    assert error("POST", "/v1/completions", b"x" * ((16 << 20) + 1))[0] == 413
    too_long = error("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "word " * 3000}]})
    assert too_long[0] == 400 and too_long[1]["code"] == "context_length_exceeded"


def test_ids_of_requests(server):
    assert server.request("GET", "/health", headers={"X-Request-Id": "mine-1"})[1]["x-request-id"] == "mine-1"
    own = server.request("GET", "/health")[1]["x-request-id"]
    assert own and own != server.request("GET", "/health")[1]["x-request-id"]
    assert server.request("GET", "/nope", headers={"X-Request-Id": "a b"})[1]["x-request-id"] != "a b"


def test_unknown_fields_are_warned_of_once(demo):
    with serving(demo) as server:
        for _ in range(3):
            server.complete(STORY, max_tokens=1, odd_field=1, another=[{}])
        server.stop()
        warnings = [line for line in server.lines if line.startswith("warning: ")]
        assert len([line for line in warnings if "odd_field" in line]) == 1
        assert len([line for line in warnings if "another" in line]) == 1


def random_value(source, depth=0):
    kind = source.randrange(9 if depth < 4 else 7)
    if kind == 7:
        return [random_value(source, depth + 1) for _ in range(source.randrange(4))]
    if kind == 8:
        return {source.choice("abcdef"): random_value(source, depth + 1) for _ in range(source.randrange(4))}
    return [None, True, source.randrange(-5, 5), source.choice([10**18, -10**18, 2**63, 10**40]), source.uniform(-1e3, 1e3),
            "text", source.choice(["", "\0", "é😀", "<|im_end|>", "a" * 5000])][kind]


FIELDS = ["prompt", "messages", "model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "min_p",
          "typical_p", "n", "stop", "stop_token_ids", "seed", "logprobs", "top_logprobs", "echo", "stream", "stream_options",
          "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty", "user", "priority", "tools",
          "tool_choice", "response_format", "guided_json", "guided_regex", "guided_choice", "structured_outputs",
          "chat_template_kwargs", "continue_final_message", "add_generation_prompt", "tokens", "ignore_eos", "suffix"]


def random_body(source):
    body = {"prompt": "a", "messages": [{"role": "user", "content": "a"}], "max_tokens": 2}
    for field in source.sample(FIELDS, source.randrange(1, 5)):
        body[field] = random_value(source)
    if source.random() < 0.2:
        body["messages"] = [{"role": source.choice(["user", "system", "assistant", "tool", "robot"]),
                             "content": random_value(source), "tool_calls": random_value(source)}]
    text = json.dumps(body).encode()
    if source.random() < 0.3:  # and broken
        at = source.randrange(len(text))
        text = text[:at] + bytes(source.randrange(256) for _ in range(source.randrange(4))) + text[at + source.randrange(3):]
    return text


def test_a_random_client_always_gets_an_answer_or_a_wellformed_error(server):
    source = random.Random(6)
    statuses = {}
    for _ in range(600):
        path = source.choice(["/v1/completions", "/v1/chat/completions", "/tokenize", "/detokenize"])
        body = random_body(source)
        answer = server.request("POST", path, body)
        statuses[answer[0]] = statuses.get(answer[0], 0) + 1
        if answer[0] != 200:
            error_of(answer)
            assert answer[0] in (400, 404), (path, body, answer)
    assert statuses[200] > 20 and statuses[400] > 200, statuses
    assert server.request("GET", "/health")[0] == 200


def test_keys(demo, tmp_path):
    (tmp_path / "keys").write_text("# for tests\n\nsecret-b\n")
    log = tmp_path / "access.log"
    with serving(demo, "--api-key", "secret-a", "--api-key-file", tmp_path / "keys", "--access-log", log) as server:
        assert server.request("GET", "/health")[0] == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret-a"}, {"Authorization": "Bearer "}):
            for method, path in (("GET", "/v1/models"), ("POST", "/v1/completions"), ("GET", "/metrics")):
                answer = server.request(method, path, {"prompt": "a"} if method == "POST" else None, headers=headers)
                assert answer[0] == 401 and answer[1]["www-authenticate"].startswith("Bearer")
                assert error_of(answer)["code"] == "invalid_api_key"
        for key in ("secret-a", "secret-b"):
            assert server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})[0] == 200
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:  # its body is not waited for
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 16000000\r\n\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 401 ")
        command = open(f"/proc/{server.process.pid}/cmdline").read()
        assert "--api-key" in command and "secret-a" not in command
        server.stop()
        assert "secret" not in log.read_text() + "".join(server.lines)


def test_other_origins_only_where_they_are_let(server, demo):
    origin = {"Origin": "http://page.example"}
    assert "access-control-allow-origin" not in server.request("GET", "/v1/models", headers=origin)[1]
    assert server.request("OPTIONS", "/v1/chat/completions", headers=origin)[0] == 405
    with serving(demo, "--cors-origin", "http://page.example", "--api-key", "k") as open_server:
        status, headers, _ = open_server.request("OPTIONS", "/v1/chat/completions", headers=origin)
        assert status == 204 and "POST" in headers["access-control-allow-methods"]
        assert "authorization" in headers["access-control-allow-headers"].lower()
        assert open_server.request("GET", "/v1/models", headers=origin)[1]["access-control-allow-origin"] == \
            "http://page.example"


def test_without_keys_only_names_of_this_machine_are_answered(server, demo):
    """A web page whose name points to this machine must not read what the server says."""
    def ask(server, host, path="/v1/models", **options):
        return server.request("POST" if path.startswith("/v1/comp") else "GET", path,
                              {"prompt": "a", "max_tokens": 1} if path.startswith("/v1/comp") else None,
                              headers={"Host": host, **options.pop("headers", {})}, **options)

    for host in (f"127.0.0.1:{server.port}", "localhost", "LOCALHOST:1", "[::1]:8080", "chat.localhost", "127.1.2.3"):
        assert ask(server, host)[0] == 200, host
    before = server.metrics()
    paths = ["/v1/models", "/v1/completions", "/", "/metrics", "/health", "/nowhere"]
    for path in paths:
        answer = ask(server, "evil.example:8080", path)
        assert answer[0] == 403 and error_of(answer)["code"] == "host_not_allowed", answer
        assert "--allow-host" in answer[2] and "evil.example" in answer[2]
    rejected = "nibble:requests_rejected_total"
    assert server.metrics()[rejected] - before[rejected] == len(paths)
    with serving(demo, "--allow-host", "models.example", "--allow-host", "10.1.2.3") as named:
        for host, status in (("models.example", 200), ("Models.Example:443", 200), ("10.1.2.3", 200), ("x.models.example", 403),
                             ("localhost", 200)):
            assert ask(named, host)[0] == status, host
    with serving(demo, "--allow-host", "*") as every:
        assert ask(every, "evil.example")[0] == 200
    with serving(demo, "--api-key", "k") as locked:
        assert ask(locked, "evil.example", headers={"Authorization": "Bearer k"})[0] == 200
    with serving(demo, "--host", "0.0.0.0") as reachable:
        assert ask(reachable, "machine.example")[0] == 200


def test_pages_of_other_sites_make_it_do_nothing(server, demo):
    """Browsers send such requests without asking, and only keep the answer from the page."""
    def ask(server, origin, **headers):
        return server.request("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1},
                              headers={"Content-Type": "text/plain", "Origin": origin, **headers})

    before = server.metrics()["vllm:generation_tokens_total"]
    for origin in ("https://evil.example", "http://localhost:1", "null"):
        answer = ask(server, origin)
        assert answer[0] == 403 and error_of(answer)["code"] == "origin_not_allowed"
        assert "--cors-origin" in answer[2]
    assert ask(server, "https://proxy.example", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert server.metrics()["vllm:generation_tokens_total"] == before
    assert ask(server, server.url)[0] == 200  # its own page
    with serving(demo, "--cors-origin", "https://chat.example") as allowing:
        assert ask(allowing, "https://chat.example")[0] == 200
        assert ask(allowing, "https://evil.example")[0] == 403
    with serving(demo, "--api-key", "k") as locked:
        assert ask(locked, "https://evil.example", Authorization="Bearer k")[0] == 200


# -------------------------------------------------------------------------------------------- Overload, hang-ups, ends


def test_a_client_that_does_not_read_its_answer_is_dropped(demo):
    with serving(demo) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "n": 16, "max_tokens": 900, "ignore_eos": True,
                           "stream": True, "logprobs": True, "top_logprobs": 20})  # some 30 MB
        client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        server.wait_until(lambda now: now["nibble:slow_clients_total"] == 1, seconds=60)
        figures = server.wait_until(lambda now: now["vllm:num_requests_running"] == 0
                                    and now["nibble:client_disconnects_total"] == 1)
        assert figures["vllm:kv_cache_usage_perc"] == 0
        assert figures["vllm:generation_tokens_total"] < 16 * 900


def test_an_answer_has_a_size(demo):
    """Log probabilities of many prompts for many choices would take gigabytes."""
    with serving(demo) as server:
        body = {"prompt": [[5 + i] * 900 for i in range(16)], "n": 16, "max_tokens": 1, "echo": True, "logprobs": 5}
        answer = server.request("POST", "/v1/completions", body)
        assert answer[0] == 400 and error_of(answer)["code"] == "answer_too_large"
        server.wait_until(lambda now: now["vllm:num_requests_running"] + now["vllm:num_requests_waiting"] == 0)
        answer = server.post("/v1/completions", {**body, "prompt": body["prompt"][0], "n": 2})
        assert len(answer["choices"][1]["logprobs"]["tokens"]) == 901


def test_a_client_that_hangs_up_frees_its_pages(demo):
    with serving(demo) as server:
        before = server.metrics()["vllm:generation_tokens_total"]
        stream = server.stream("/v1/completions", LONG)
        next(iter(stream))
        assert server.metrics()["vllm:num_requests_running"] > 0
        stream.close()
        figures = server.wait_until(lambda now: now["vllm:num_requests_running"] == 0)
        assert figures["vllm:kv_cache_usage_perc"] == 0
        assert figures["vllm:generation_tokens_total"] - before < 16 * 1000 / 2
        # And one that waits for a whole answer.
        waiting = socket.create_connection(("127.0.0.1", server.port))
        body = json.dumps(LONG)
        waiting.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        server.wait_until(lambda now: now["vllm:num_requests_running"] > 0)
        waiting.close()
        figures = server.wait_until(lambda now: now["vllm:num_requests_running"] == 0)
        assert figures["vllm:kv_cache_usage_perc"] == 0
        assert text_of(server.complete(STORY, max_tokens=2))
