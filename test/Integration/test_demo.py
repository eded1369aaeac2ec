"""The demo model as its users meet it: compiled, asked through the chat template, judged by the generator's own rules."""

import json
import re
import sys

import pytest

from conftest import ROOT, TEST_DATA

sys.path.insert(0, str(ROOT / "python"))

from demo import arithmetic  # noqa: E402
from demo.generator import document, stories_in  # noqa: E402
from demo.stories import check_story  # noqa: E402

CHECKPOINT = TEST_DATA / "demo"


def answers(model, tmp_path, questions, *words):
    """One answer to each question, all generated together."""
    messages = tmp_path / "messages.json"
    messages.write_text(json.dumps([{"role": "user", "content": "QUESTION"}]))
    template = model("template", "--messages", messages).stdout
    files = []
    for i, question in enumerate(questions):
        file = tmp_path / f"{i}.txt"
        file.write_text(template.replace("QUESTION", question))
        files += ["-f", file]
    found = json.loads(model("generate", *files, "--no-special", "--json", *words).stdout)
    return [answer["text"] for answer in found]


@pytest.mark.parametrize("precision, least", [("f32", 0.95), ("int4", 0.90)])
def test_sums_that_training_never_saw(compiled, tmp_path, precision, least):
    """A fifth of the unordered pairs of two-digit operands, in both orders."""
    pairs = [pair for a, b in sorted(arithmetic.held_out_pairs()) for pair in {(a, b), (b, a)}]
    assert len(pairs) > 1500
    model = compiled(CHECKPOINT, f"--precision={precision}")
    texts = answers(model, tmp_path, [f"What is {a} + {b}?" for a, b in pairs], "-n", 16, "--greedy")
    right = sum(bool(m := re.search(r"= ?(\d+)", text)) and int(m.group(1)) == a + b
                for text, (a, b) in zip(texts, pairs, strict=True))
    assert right >= least * len(pairs), f"{right} of {len(pairs)} right"


def test_stories(compiled, tmp_path):
    """50 stories at temperature 0.8, else sampled as generation_config says: none is a story of the training text, four in
    five hold together."""
    model = compiled(CHECKPOINT, "--precision=int4")
    stories = [text.strip() for text in answers(model, tmp_path, ["Tell me a story."] * 50, "-n", 400, "--temperature", 0.8,
                                                "--seed", 7)]
    assert len(set(stories)) == 50
    documents = int(re.search(r"--documents (\d+)", (CHECKPOINT / "README.md").read_text()).group(1))
    trained = {story for i in range(documents) for story in stories_in(document(i))}
    assert len(trained) > 10_000
    assert not trained & set(stories)
    good = sum(check_story(story) for story in stories)
    assert good >= 40, f"{good} of 50 pass the generator's check"


def test_chat_answers(compiled):
    model = compiled(CHECKPOINT, "--precision=int4")
    assert "2 + 2 = 4" in model("chat", "-p", "What is 2 + 2?", "-n", 12, "--greedy").stdout
