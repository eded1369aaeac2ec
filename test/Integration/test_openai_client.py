"""The official openai package against the server, unchanged: it is what most clients are made of."""

import concurrent.futures
import json
import shutil
from typing import Literal

import pytest

from serving import CHECKPOINT, demo, server, serving  # noqa: F401

openai = pytest.importorskip("openai", reason="the package openai is not installed (python/requirements-test.txt)")
pydantic = pytest.importorskip("pydantic")

QUESTION = [{"role": "user", "content": "What is 12 + 7?"}]
ADD = {"type": "function", "function": {"name": "add", "description": "Adds two numbers.", "parameters": {
    "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"],
    "additionalProperties": False}}}
NEAR = {"type": "function", "function": {"name": "near", "parameters": {
    "type": "object", "properties": {"place": {"enum": ["home", "river"]}}, "required": ["place"],
    "additionalProperties": False}}}


@pytest.fixture(scope="module")
def client(server):  # noqa: F811
    with openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture(scope="module")
def model(client):
    return client.models.list().data[0].id


# ------------------------------------------------------------------------------------------------------------ Answers


def test_models(client, model):
    assert client.models.retrieve(model).owned_by == "nibble"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_chat(client, model):
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0)
    assert answer.object == "chat.completion" and answer.model == model and answer.system_fingerprint
    choice, = answer.choices
    assert "19" in choice.message.content
    assert choice.message.role == "assistant" and choice.message.tool_calls is None
    assert choice.finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0
    cut = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_completion_tokens=3)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 3


def test_chat_streamed(client, model):
    whole = client.chat.completions.create(model=model, messages=QUESTION, temperature=0)
    chunks = list(client.chat.completions.create(model=model, messages=QUESTION, temperature=0, stream=True,
                                                 stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    with client.chat.completions.stream(model=model, messages=QUESTION, temperature=0) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in events and "content.done" in events
    assert final.choices[0].message.content == text


def test_an_abandoned_stream_is_cancelled(client, model, server):  # noqa: F811
    stream = client.completions.create(model=model, prompt="Once", max_tokens=1000, n=8, stream=True,
                                       extra_body={"ignore_eos": True})
    next(iter(stream))
    stream.close()
    server.wait_until(lambda now: now["vllm:num_requests_running"] == 0, 10)


def test_many_at_once_by_the_asynchronous_client(server, model):  # noqa: F811
    import asyncio

    async def ask_all():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0) as client:
            async def ask(i):
                parts = []
                async for chunk in await client.chat.completions.create(
                        model=model, messages=[{"role": "user", "content": f"What is {i} + 1?"}], temperature=0, stream=True):
                    parts.append(chunk.choices[0].delta.content or "")
                return "".join(parts)

            return await asyncio.gather(*(ask(i) for i in range(32)))

    answers = asyncio.run(ask_all())
    assert sum(str(i + 1) in answer for i, answer in enumerate(answers)) >= 28


def test_completions(client, model):
    answer = client.completions.create(model=model, prompt="Once upon", temperature=0, max_tokens=8)
    assert answer.object == "text_completion" and answer.choices[0].finish_reason == "length"
    assert answer.choices[0].text.startswith(" a time")
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(
        model=model, prompt="Once upon", temperature=0, max_tokens=8, stream=True))
    assert text == answer.choices[0].text
    several = client.completions.create(model=model, prompt=["Once upon", "The dog"], temperature=0, max_tokens=8, n=2,
                                        stop=["never so"])
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    assert several.choices[0].text == text
    echoed = client.completions.create(model=model, prompt="Once upon", temperature=0, max_tokens=8, echo=True, logprobs=2)
    assert echoed.choices[0].text == "Once upon" + text
    lists = echoed.choices[0].logprobs
    assert lists.token_logprobs[0] is None and all(value <= 0 for value in lists.token_logprobs[1:])
    assert len(lists.tokens) == len(lists.token_logprobs) == len(lists.top_logprobs) == len(lists.text_offset)


def test_chat_logprobs(client, model):
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert "".join(entry.token for entry in content) == answer.choices[0].message.content
    assert all(len(entry.top_logprobs) == 3 and entry.logprob <= 0 for entry in content)
    streamed = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, logprobs=True, top_logprobs=3,
                                              stream=True)
    found = [entry for chunk in streamed if chunk.choices[0].logprobs for entry in chunk.choices[0].logprobs.content]
    assert [entry.model_dump() for entry in found] == [entry.model_dump() for entry in content]


def test_sampling_fields(client, model):
    def texts(**members):
        return [choice.message.content for choice in client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Tell me a story."}], max_tokens=24, n=2, **members).choices]

    assert texts(seed=1) == texts(seed=1) != texts(seed=2)
    texts(temperature=0.5, top_p=0.5, presence_penalty=1, frequency_penalty=1, logit_bias={"5": -100}, stop="x", user="ann",
          extra_body={"top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repetition_penalty": 1.1, "priority": 1})


# ----------------------------------------------------------------------------------------------------- Answers in form


class Point(pydantic.BaseModel):
    """With bounds: a model that rambles would write digits and letters until its context is full."""
    x: int = pydantic.Field(ge=-99, le=999)
    y: int = pydantic.Field(ge=0, le=9)
    name: str = pydantic.Field(max_length=12)
    kind: Literal["near", "far"]


def test_json_schema(client, model):
    """A model that has never seen JSON must write it all the same."""
    for seed in range(4):
        parsed = client.chat.completions.parse(model=model, messages=[{"role": "user", "content": "A point."}], seed=seed,
                                               response_format=Point, max_tokens=400)
        assert isinstance(parsed.choices[0].message.parsed, Point)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=model, messages=[{"role": "user", "content": "A point."}], seed=1,
                                      response_format=Point, max_tokens=2)
    schema = {"type": "object", "properties": {"answer": {"enum": ["yes", "no"]}, "list": {
        "type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3}}, "required": ["answer", "list"],
        "additionalProperties": False}
    chunks = client.chat.completions.create(
        model=model, messages=QUESTION, seed=1, max_tokens=200, stream=True,
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
    found = json.loads("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
    assert found["answer"] in ("yes", "no") and len(found["list"]) in (2, 3)
    assert all(isinstance(item, bool) for item in found["list"])


def test_json_object(client, model):
    """The length is whatever the model likes: only an answer that is complete must be JSON."""
    complete = 0
    for seed in range(6):
        answer = client.chat.completions.create(model=model, messages=QUESTION, seed=seed, max_tokens=300,
                                                response_format={"type": "json_object"}).choices[0]
        if answer.finish_reason == "stop":
            assert isinstance(json.loads(answer.message.content), dict)
            complete += 1
        assert answer.message.content.lstrip().startswith("{")
    assert complete


def test_regular_expressions_and_choices(client, model):
    def ask(**members):
        return client.chat.completions.create(model=model, messages=QUESTION, seed=3, extra_body=members).choices[0]

    answer = ask(guided_regex="[A-F]{3}-[0-9]{2}")
    assert answer.message.content[3] == "-" and answer.finish_reason == "stop"
    assert ask(structured_outputs={"choice": ["red (dark)", "blue."]}).message.content in ("red (dark)", "blue.")
    with pytest.raises(openai.BadRequestError) as caught:
        ask(guided_regex="(")
    assert caught.value.param == "guided_regex"


# -------------------------------------------------------------------------------------------------------------- Tools


def check_call(call):
    arguments = json.loads(call.function.arguments)
    if call.function.name == "add":
        assert set(arguments) == {"a", "b"} and all(isinstance(value, int) for value in arguments.values())
    else:
        assert call.function.name == "near" and arguments["place"] in ("home", "river")
    assert call.id and call.type == "function"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "near"}}])
def test_forced_tools(client, model, choice):
    def ask(**members):
        return client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD, NEAR], tool_choice=choice, seed=4,
                                              max_tokens=300, parallel_tool_calls=False, **members)

    whole = ask().choices[0]
    assert whole.finish_reason == "tool_calls" and whole.message.content is None
    call, = whole.message.tool_calls
    check_call(call)
    if choice != "required":
        assert call.function.name == "near"
    streamed = {"name": "", "arguments": "", "id": ""}
    finish = None
    for chunk in ask(stream=True):
        delta = chunk.choices[0].delta
        finish = chunk.choices[0].finish_reason or finish
        for piece in delta.tool_calls or []:
            assert piece.index == 0
            streamed["id"] += piece.id or ""
            streamed["name"] += piece.function.name or ""
            streamed["arguments"] += piece.function.arguments or ""
    assert finish == "tool_calls" and streamed["id"]
    assert (streamed["name"], streamed["arguments"]) == (call.function.name, call.function.arguments)


def test_a_conversation_with_an_answered_call(client, model):
    called = client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD], tool_choice="required", seed=4,
                                            max_tokens=300).choices[0].message
    answer = client.chat.completions.create(model=model, temperature=0, max_tokens=20, messages=[
        *QUESTION, called.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "19"},
        {"role": "user", "content": "What is 1 + 1?"}])
    assert answer.choices[0].message.content


def test_a_model_that_sees_no_tools_says_so(client, model):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD])
    assert caught.value.param == "tools"
    assert client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD], tool_choice="none",
                                          temperature=0).choices[0].message.content


def test_tools_that_a_template_shows(compiled, tmp_path):
    """The demo model under a template in Hermes's style: it may call a tool, and does not know how."""
    checkpoint = tmp_path / "demo"
    shutil.copytree(CHECKPOINT, checkpoint)
    config = json.loads((checkpoint / "tokenizer_config.json").read_text())
    shown = "{%- if tools %}{{- '<|im_start|>system\\n<tools>' + (tools | tojson) + '</tools> <tool_call><|im_end|>\\n' }}{%- endif %}"
    config["chat_template"] = shown + config["chat_template"]
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(config))
    with serving(compiled(checkpoint, "--precision=int4")) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        model = client.models.list().data[0].id
        plain = client.chat.completions.create(model=model, messages=QUESTION, temperature=0, max_tokens=30)
        told = client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD], temperature=0, max_tokens=30)
        assert told.usage.prompt_tokens > plain.usage.prompt_tokens + 50
        assert told.choices[0].message.content and told.choices[0].finish_reason in ("stop", "length")
        forced = client.chat.completions.create(model=model, messages=QUESTION, tools=[ADD], tool_choice="required", seed=1)
        check_call(forced.choices[0].message.tool_calls[0])
        # With a form of the answer as well: one or the other, as the client's own classes read them.
        class Sum(pydantic.BaseModel):
            sum: int

        class Near(pydantic.BaseModel):
            place: Literal["home", "river"]

        marks = {str(server.post("/tokenize", {"prompt": text})["tokens"][0]): 100 for text in ("<", "{")}
        found = set()
        for first, bias in marks.items():
            message = client.chat.completions.parse(model=model, messages=QUESTION, tools=[openai.pydantic_function_tool(Near)],
                                                    response_format=Sum, seed=1, logit_bias={first: bias}).choices[0].message
            if message.tool_calls:
                assert isinstance(message.tool_calls[0].function.parsed_arguments, Near)
            else:
                assert isinstance(message.parsed, Sum)
            found.add(bool(message.tool_calls))
        assert found == {True, False}


# ------------------------------------------------------------------------------------------------------------- Errors


def test_error_classes(client, model, demo):  # noqa: F811
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=QUESTION, temperature=-1)
    assert caught.value.status_code == 400 and caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "word " * 3000}])
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=model, input="a")
    with serving(demo, "--api-key", "right") as locked:
        with pytest.raises(openai.AuthenticationError) as caught:
            openai.OpenAI(base_url=locked.url + "/v1", api_key="wrong", max_retries=0).models.list()
        assert caught.value.code == "invalid_api_key"
        assert openai.OpenAI(base_url=locked.url + "/v1", api_key="right", max_retries=0).models.list().data


def test_retries_get_through_an_overload(demo, model):  # noqa: F811
    """Without retries some are refused; with them all come through, because Retry-After says when."""
    with serving(demo, "--max-sequences", 1, "--queue-requests", 2) as busy:
        def ask(retries):
            with openai.OpenAI(base_url=busy.url + "/v1", api_key="none", max_retries=retries) as client:
                try:
                    answer = client.completions.create(model=model, prompt="Once", max_tokens=400,
                                                       extra_body={"ignore_eos": True})
                    return answer.usage.completion_tokens
                except openai.RateLimitError as error:
                    assert int(error.response.headers["retry-after"]) >= 1
                    return None

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            assert None in list(pool.map(ask, [0] * 12))
            assert list(pool.map(ask, [12] * 12)) == [400] * 12


def test_a_server_that_ends_is_an_error_in_the_stream(demo, model):  # noqa: F811
    with serving(demo, "--drain-seconds", 0.1) as ending:
        client = openai.OpenAI(base_url=ending.url + "/v1", api_key="none", max_retries=0)
        stream = client.completions.create(model=model, prompt="Once", max_tokens=1000, n=16, stream=True,
                                           extra_body={"ignore_eos": True})
        chunks = iter(stream)
        next(chunks)
        ending.process.terminate()
        with pytest.raises(openai.APIError) as caught:
            list(chunks)
        assert "shutting down" in str(caught.value)
