"""Measures a demo checkpoint with transformers: sums that training never saw, comparisons, questions, stories.

    python evaluate.py FOLDER

Every question goes through the checkpoint's chat template and every answer is generated greedily and compared with
the generator's own, word by word (a sum is right when the number after "=" is). Linears in int4 and the table in int8
are rounded as the compiler rounds them (groups of 32 along K), activations stay f32.
"""

import argparse
import pathlib
import random
import re
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

if __package__ in (None, ""):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    __package__ = "demo"

from . import arithmetic  # noqa: E402
from .conversations import context_turns, small_text, story_questions, story_request  # noqa: E402
from .generator import document, stories_in  # noqa: E402
from .model import quantized  # noqa: E402
from .stories import make_story, story_faults  # noqa: E402


def generate(model, tokenizer, questions, batch=64, limit=32, **sampling):
    """Answers of the model to single questions, as text."""
    answers = [None] * len(questions)
    prompts = [tokenizer.apply_chat_template([{"role": "user", "content": q}], add_generation_prompt=True,
                                             tokenize=False) for q in questions]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for first in range(0, len(order), batch):
        some = order[first:first + batch]
        inputs = tokenizer([prompts[i] for i in some], return_tensors="pt", padding=True, padding_side="left",
                           add_special_tokens=False)
        with torch.no_grad():
            out = model.generate(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"],
                                 max_new_tokens=limit, **({"do_sample": False, "temperature": None, "top_p": None}
                                                          | sampling))
        for i, row in zip(some, out[:, inputs["input_ids"].shape[1]:]):
            answers[i] = tokenizer.decode(row, skip_special_tokens=True)
    return answers


def sum_is_right(answer, a, b):
    found = re.search(r"= ?(\d+)", answer)
    return bool(found) and int(found.group(1)) == a + b


def questions(rng, sums, others):
    """{subject: [(question, test of an answer), ...]}."""
    held_out = sorted(arithmetic.held_out_pairs())
    held_out = [pair for a, b in held_out for pair in {(a, b), (b, a)}]
    asked = held_out if not sums else rng.sample(held_out, min(sums, len(held_out)))

    def sum_question(a, b, form):
        return arithmetic.sum_turn(rng, a, b, form)[0], lambda answer: sum_is_right(answer, a, b)

    def exact(turn):
        return turn[0], lambda answer: answer.strip() == turn[1]

    seen = [arithmetic.training_operands(rng) for _ in range(others)]
    comparisons = [arithmetic.comparison_turn(rng, *arithmetic.comparison_operands(rng)) for _ in range(others)]
    stories, facts = [], []
    for _ in range(others // 2):
        text, story_facts = make_story(rng)
        stories += context_turns(rng, text, story_questions(rng, story_facts, 1))
        text, turns = small_text(rng)
        facts += context_turns(rng, text, turns[:1])
    return {
        "held-out sums, What is A + B?": [sum_question(a, b, "What is {a} + {b}?") for a, b in asked],
        "held-out sums, any form": [sum_question(a, b, None) for a, b in rng.sample(asked, min(others, len(asked)))],
        "sums of training": [sum_question(a, b, None) for a, b in seen],
        "comparisons": [exact(turn) for turn in comparisons],
        "questions about a story": [exact(turn) for turn in stories],
        "questions about facts": [exact(turn) for turn in facts],
    }


def report_answers(name, model, tokenizer, asked):
    for subject, pairs in asked.items():
        answers = generate(model, tokenizer, [q for q, _ in pairs])
        right = [test(answer) for (_, test), answer in zip(pairs, answers)]
        line = f"{name:5} {subject:32} {sum(right):5} of {len(right):5} right, {100 * sum(right) / len(right):.1f}%"
        wrong = [(q[-60:], a) for (q, _), a, ok in zip(pairs, answers, right) if not ok]
        print(line + (f"   e.g. {wrong[0]}" if wrong else ""), flush=True)


def report_stories(name, model, tokenizer, count, trained, seed):
    torch.manual_seed(seed)
    rng = random.Random(seed)
    requests = ["Tell me a story."] * (count // 2)
    while len(requests) < count:
        requests.append(story_request(rng)[0])
    stories = generate(model, tokenizer, requests, limit=400, do_sample=True, temperature=0.8, top_p=1.0, top_k=0)
    faults = [story_faults(story) for story in stories]
    copied = sum(story in trained for story in stories)
    good = sum(not f for f in faults)
    words = sum(len(story.split()) for story in stories) / count
    print(f"{name:5} {count} stories at temperature 0.8: {good} pass check_story ({100 * good / count:.0f}%), "
          f"{copied} are training stories, {len(set(stories))} differ, {words:.0f} words on average")
    for story, fault in zip(stories, faults):
        if fault:
            print(f"      {fault}")
    print("\n" + stories[0] + "\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("--sums", type=int, default=0, help="held-out sums to ask; 0 asks all, in both orders")
    parser.add_argument("--others", type=int, default=200, help="questions of each other subject")
    parser.add_argument("--stories", type=int, default=50)
    parser.add_argument("--documents", type=int, default=0,
                        help="documents of the training text to look for copies in (training.json has the number)")
    parser.add_argument("--precision", choices=["f32", "int4", "both"], default="both")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    trained = {story for i in range(options.documents) for story in stories_in(document(i))}
    print(f"{len(trained)} different training stories in {options.documents} documents")
    asked = questions(random.Random(options.seed), options.sums, options.others)
    for name in ("f32", "int4") if options.precision == "both" else (options.precision,):
        model = AutoModelForCausalLM.from_pretrained(options.checkpoint, dtype=torch.float32).eval()
        if name == "int4":
            with torch.no_grad():
                for key, parameter in model.named_parameters():
                    if parameter.ndim == 2:
                        parameter.copy_(quantized(parameter, 8 if "embed_tokens" in key else 4))
        report_answers(name, model, tokenizer, asked)
        report_stories(name, model, tokenizer, options.stories, trained, options.seed)


if __name__ == "__main__":
    main()
