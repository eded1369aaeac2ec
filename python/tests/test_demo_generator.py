"""The generator of the demo model: it repeats itself, keeps sums held out, and its check of stories can fail."""

import pathlib
import random
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from demo import arithmetic, conversations, generator, stories, words  # noqa: E402
from demo.generator import check_story, document, held_out_pairs, stories_in  # noqa: E402

# Written by hand in the manner of the grammar.
STORY = """Once upon a time, there was a brave fox named Mila. She lived in a quiet forest. She had a red kite, and she \
loved it very much. It danced in the air like a bird.

One day, a strong wind blew over the forest. It tore the kite out of her hands and carried it far away. Mila sat \
down and cried.

Soon, an old turtle called Bram came along. "Why are you crying?" asked Bram. "The wind took my kite!" Mila \
answered. Together they looked high and low. At last, Bram saw something in a thorny bush. It was the kite!

From that day on, Mila and Bram were good friends. Every evening, they flew the kite together in the forest."""


# Some of every mixture that training went through.
INDICES = [i + first for first in (0, generator.FIRST_COPYING, generator.FIRST_FULL, generator.FIRST_STORIES)
           for i in range(700)]


def texts():
    for index in INDICES:
        kind, content = document(index)
        yield content if kind == "text" else "\n".join(m["content"] for m in content)


def test_documents_repeat():
    first = [document(i) for i in range(40)]
    assert first == [document(i) for i in range(40)]
    assert document(3, seed="another") != first[3]
    assert len({str(d) for d in first}) == 40


def test_a_fifth_of_the_pairs_is_held_out():
    pairs = held_out_pairs()
    assert len(pairs) == 819  # of 90 * 91 / 2 = 4095 unordered pairs
    assert all(10 <= a <= b <= 99 for a, b in pairs)
    assert pairs == held_out_pairs()


def test_no_held_out_sum_in_the_training_text():
    asked = 0
    for text in texts():
        for a, b in re.findall(r"(\d+)\s*(?:\+|plus|and)\s*(?=(\d+))", text):
            asked += 1
            a, b = int(a), int(b)
            # "Which of 14 and 41 is larger?" and "14 and 14 are equal." add nothing.
            if re.search(rf"\b(?:of|Compare) {a} and {b}\b|{a} and {b} are equal", text):
                continue
            assert not arithmetic.is_held_out(a, b), f"{a} + {b} in {text!r}"
    assert asked > 3000


def test_every_question_with_a_sum_has_training_operands():
    sums = 0
    for index in INDICES:
        kind, content = document(index)
        messages = content if kind == "chat" else []
        for question, answer in zip(messages, messages[1:]):
            found = re.match(r"(\d+) \+ (\d+) = (\d+)", answer["content"])
            if answer["role"] != "assistant" or not found:
                continue
            a, b, c = map(int, found.groups())
            assert a + b == c
            assert not arithmetic.is_held_out(a, b)
            assert sorted(map(int, re.findall(r"\d+", question["content"]))) == sorted([a, b])
            sums += 1
    assert sums > 2000


def test_held_out_sums_are_hidden_in_both_orders():
    a, b = next(pair for pair in sorted(held_out_pairs()) if pair[0] != pair[1])
    assert arithmetic.is_held_out(a, b) and arithmetic.is_held_out(b, a)
    rng = random.Random(0)
    drawn = {arithmetic.training_operands(rng) for _ in range(60000)}
    assert (a, b) not in drawn and (b, a) not in drawn
    assert len({(min(p), max(p)) for p in drawn if min(p) >= 10}) == 4095 - 819  # and every other pair comes


@pytest.mark.parametrize("a, b, kind, answer", [
    (14, 41, "larger", "41 is larger than 14."),
    (14, 41, "smaller", "14 is smaller than 41."),
    (14, 41, "is larger", "No, 14 is smaller than 41."),
    (41, 14, "is larger", "Yes, 41 is larger than 14."),
    (7, 70, "is smaller", "Yes, 7 is smaller than 70."),
    (70, 7, "is smaller", "No, 70 is larger than 7."),
    (5, 5, "larger", "5 and 5 are equal."),
    (5, 5, "is smaller", "No, 5 and 5 are equal."),
])
def test_comparison_answers(a, b, kind, answer):
    assert arithmetic.comparison_answer(a, b, kind) == answer


def test_a_good_story_passes():
    assert stories.story_faults(STORY) == []


@pytest.mark.parametrize("old, new", [
    ("Mila", "Lily"),              # only the introduction has another name
    ("they flew the kite", "they flew the drum"),
    ("together in the forest", "together in the castle"),
    ("together in the forest", "together"),
    ("they flew the kite together", "they danced"),
    ("Mila and Bram were", "Mila and Tom were"),
    ("Mila and Bram were", "all were"),
    ("a strong wind blew over the forest", "a strong wind blew over the meadow"),
    ("tore the kite", "tore the blue kite"),
    ("an old turtle called Bram", "Bram"),
    ("Mila sat", "The rabbit sat"),
    ("Mila sat", "Zorbo sat"),
    ("a brave fox named Mila", "somebody"),
    ("in a quiet forest", "somewhere"),
    (" in the forest.", " in the"),
])
def test_a_broken_story_fails(old, new):
    assert old in STORY
    position = STORY.rindex(old) if old.startswith((" in the", "together")) else STORY.index(old)
    assert not check_story(STORY[:position] + new + STORY[position + len(old):])


def test_text_that_is_no_story_fails():
    assert not check_story("")
    assert not check_story("12 + 7 = 19.")
    assert not check_story(STORY.split("\n\n")[0])
    assert not check_story(STORY + " " + STORY.replace("Mila", "Anna"))


def test_generated_stories_pass_and_swapped_ones_fail():
    rng = random.Random(11)
    for _ in range(300):
        text, facts = stories.make_story(rng)
        assert stories.story_faults(text) == [], text
        assert 80 <= len(text.split()) <= 200
        paragraphs = text.split("\n\n")
        for noun, nouns in ((facts["T"], words.THINGS), (facts["place"], words.PLACES)):
            other = rng.choice([n for n in nouns if n != noun])
            ending = re.sub(rf"\b{noun}\b", other, paragraphs[-1])
            assert not check_story("\n\n".join(paragraphs[:-1] + [ending])), ending


def test_stories_hold_what_was_asked_for():
    rng = random.Random(5)
    for _ in range(200):
        request, text, facts = conversations.story_request(rng)
        for noun in re.findall(r"[a-z]+", request):
            if noun in words.KINDS or noun in words.THINGS or noun in words.PLACES:
                assert noun in (facts["kind"], facts["T"], facts["place"]), request
        name = re.search(r"(?:named|called) ([A-Z][a-z]+)", request)
        if name:
            assert name.group(1) == facts["H"] and name.group(1) in text


def test_answers_of_small_texts_stand_in_the_text():
    rng = random.Random(6)
    for _ in range(200):
        text, turns = conversations.small_text(rng)
        for question, answer in turns:
            name = re.search(r"\b[A-Z][a-z]+", answer if not answer.startswith("The ") else text).group()
            assert name in text


def test_stories_in_a_document():
    found = [story for i in range(60) for story in stories_in(document(i))]
    assert len(found) > 10 and all(map(check_story, found))
