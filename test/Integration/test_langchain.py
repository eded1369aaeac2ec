"""LangChain's classes for OpenAI, unchanged, against a live server."""

import json
import typing

import pytest

from serving import demo, server  # noqa: F401

openai = pytest.importorskip("openai")
langchain = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
messages = pytest.importorskip("langchain_core.messages")
pydantic = pytest.importorskip("pydantic")

STORY = "Tell me a story about a fox named Ada."


class Judgement(pydantic.BaseModel):
    """A judgement of an animal."""

    animal: typing.Literal["fox", "turtle", "owl"]
    friendly: bool


class Zoo(pydantic.BaseModel):
    """Two animals."""

    first: Judgement
    second: Judgement


def get_weather(city: typing.Literal["Oslo", "Rome"], hours: typing.Literal[6, 12]) -> str:
    """Weather of a city in the next hours."""
    return f"{city}: fine for {hours} h"


def tell_time(zone: typing.Literal["UTC"]) -> str:
    """The time."""
    return zone


@pytest.fixture(scope="module")
def model(server):
    return json.loads(server.request("GET", "/v1/models")[2])["data"][0]["id"]


@pytest.fixture(scope="module")
def chat(server, model):
    # Retries off: an error is an error. The key is not asked for, but the class wants one.
    return langchain.ChatOpenAI(base_url=server.url + "/v1", api_key="none", model=model, temperature=0, max_retries=0, timeout=60)


def test_invoke(chat):
    answer = chat.invoke([messages.SystemMessage("Be kind."), messages.HumanMessage("What is 2 + 3?")])
    assert isinstance(answer, messages.AIMessage) and answer.content
    assert answer.response_metadata["finish_reason"] in ("stop", "length")
    usage = answer.usage_metadata
    assert usage["input_tokens"] > 0 and usage["output_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert chat.invoke("What is 2 + 3?").content == chat.invoke("What is 2 + 3?").content


def test_stream(chat):
    whole = chat.invoke(STORY)
    chunks = list(chat.stream(STORY, stream_usage=True))
    assert len([chunk for chunk in chunks if chunk.content]) > 5
    assert "".join(chunk.content for chunk in chunks) == whole.content
    total = sum(chunks[1:], chunks[0])
    assert total.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


def test_batch(chat):
    asked = [f"What is {n} + {n + 1}?" for n in range(2, 10)]
    together = chat.batch(asked, config={"max_concurrency": 8})
    assert [answer.content for answer in together] == [chat.invoke(question).content for question in asked]


def test_stop_and_logprobs(chat):
    answer = chat.bind(logprobs=True, top_logprobs=2).invoke("What is 2 + 3?")
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens).startswith(answer.content[:5])
    assert all(len(token["top_logprobs"]) == 2 and token["logprob"] <= 0 for token in tokens)
    whole = chat.invoke(STORY).content
    word = whole.split()[3]
    assert chat.invoke(STORY, stop=[word]).content == whole[:whole.index(word)]


def test_bind_tools(chat):
    for choice in ("get_weather", "any"):
        answer = chat.bind_tools([get_weather, tell_time], tool_choice=choice).invoke("How is the weather in Oslo?")
        assert answer.invalid_tool_calls == []
        call, = answer.tool_calls
        assert call["id"] and call["name"] in (("get_weather",) if choice != "any" else ("get_weather", "tell_time"))
        assert ({"get_weather": get_weather, "tell_time": tell_time}[call["name"]])(**call["args"])


def test_a_streamed_call_is_the_whole_one(chat):
    bound = chat.bind_tools([get_weather], tool_choice="get_weather")
    whole = bound.invoke("How is the weather in Oslo?")
    chunks = list(bound.stream("How is the weather in Oslo?"))
    assert len([chunk for chunk in chunks if chunk.tool_call_chunks]) > 2
    total = sum(chunks[1:], chunks[0])
    assert [(call["name"], call["args"]) for call in total.tool_calls] == [(call["name"], call["args"]) for call in whole.tool_calls]


def test_a_conversation_with_a_call(chat):
    bound = chat.bind_tools([get_weather], tool_choice="get_weather")
    asked = messages.HumanMessage("How is the weather in Oslo?")
    call = bound.invoke([asked])
    answer = chat.bind_tools([get_weather], tool_choice="none").invoke(
        [asked, call, messages.ToolMessage("fine", tool_call_id=call.tool_calls[0]["id"])])
    assert answer.tool_calls == []


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("schema", [Judgement, Zoo])
def test_structured_output(chat, method, schema):
    answer = chat.with_structured_output(schema, method=method).invoke("Judge the fox.")
    assert isinstance(answer, schema)


def test_completions(server, model):
    llm = langchain.OpenAI(base_url=server.url + "/v1", api_key="none", model=model, temperature=0, max_tokens=24, max_retries=0)
    whole = llm.invoke("Once upon a time")
    assert whole
    assert "".join(llm.stream("Once upon a time")) == whole
    prompts = ["Once upon a time", "The fox", "In a small"]
    assert llm.batch(prompts) == [llm.invoke(prompt) for prompt in prompts]
    assert llm.generate(prompts).llm_output["token_usage"]["completion_tokens"] > 0


def test_errors_have_their_classes(chat):
    with pytest.raises(openai.NotFoundError):
        chat.model_copy(update={"model_name": "another"}).invoke("hello")
    with pytest.raises(openai.BadRequestError):
        chat.invoke("word " * 5000)
