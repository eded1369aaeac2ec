"""Sums and comparisons of small numbers, asked in several forms, and the sums that training never sees.

A fifth of the unordered pairs {a, b} of two-digit numbers is held out: neither a + b nor b + a is ever written in
the training text, so a right answer to one of them is a sum that the model worked out.
"""

import functools
import random

from .grammar import capitalize_sentences, expand

HELD_OUT_SEED = "nibble demo held-out sums"
LOW, HIGH = 10, 99


@functools.lru_cache(maxsize=None)
def held_out_pairs():
    """Returns the held-out operand pairs (a, b) with a <= b, both of two digits, as a frozenset."""
    pairs = [(a, b) for a in range(LOW, HIGH + 1) for b in range(a, HIGH + 1)]
    return frozenset(random.Random(HELD_OUT_SEED).sample(pairs, len(pairs) // 5))


def is_held_out(a, b):
    return (min(a, b), max(a, b)) in held_out_pairs()


# Forms that evaluation asks too; the rest adds variety.
SUM_QUESTIONS = [
    "What is {a} + {b}?", "What is {a} plus {b}?", "What's {a} + {b}?", "How much is {a} + {b}?",
    "How much is {a} plus {b}?", "What is the sum of {a} and {b}?", "[Please add|Add] {a} and {b}.",
    "Can you add {a} and {b}[| for me]?", "{a} + {b}", "{a}+{b}", "{a} + {b} = ?", "{a}+{b}=?", "{a} + {b} =",
    "[Calculate|Compute|Please compute|Work out] {a} + {b}.", "what is {a}+{b}", "What do {a} and {b} make[| together]?",
    "Do you know what {a} + {b} is?", "[And what|What] about {a} + {b}?", "And {a} + {b}?",
    "Tell me[| please], what is {a} + {b}?", "If I add {b} to {a}, what do I get?",
]
SUM_ANSWER = "{a} + {b} = {c}."
ITEMS = "apples nuts coins stones shells pears buttons eggs cakes stars marbles books stamps flowers cards".split()
WORD_PROBLEMS = [
    "{n} has {a} {i} and [gets|finds|buys] {b} more. How many {i} does {n} have[ now|]?",
    "{n} has {a} {i} and {m} has {b} {i}. How many {i} do they have together?",
    "There are {a} {i} in a box. {n} puts {b} more into it. How many {i} are in the box[ now|]?",
]
COMPARISONS = [
    ("Which is [larger|bigger|greater], {a} or {b}?", "larger"),
    ("Which number is [larger|bigger|greater], {a} or {b}?", "larger"),
    ("What is [larger|bigger|more], {a} or {b}?", "larger"),
    ("Which of {a} and {b} is [larger|bigger]?", "larger"),
    ("Compare {a} and {b}.", "larger"),
    ("Which is [smaller|less], {a} or {b}?", "smaller"),
    ("Which number is smaller, {a} or {b}?", "smaller"),
    ("Which of {a} and {b} is smaller?", "smaller"),
    ("Is {a} [larger|bigger|greater|more] than {b}?", "is larger"),
    ("Is {a} [smaller|less] than {b}?", "is smaller"),
]


def training_operands(rng):
    """Draws operands for a training sum; held-out pairs never come."""
    while True:
        kind = rng.random()
        if kind < 0.80:
            a, b = rng.randint(LOW, HIGH), rng.randint(LOW, HIGH)
        elif kind < 0.92:
            a, b = rng.randint(0, HIGH), rng.randint(0, 9)
            if rng.random() < 0.5:
                a, b = b, a
        else:
            a, b = rng.randint(0, 9), rng.randint(0, 9)
        if not is_held_out(a, b):
            return a, b


def sum_turn(rng, a, b, form=None):
    """Returns (question, answer) for a + b; form picks one of SUM_QUESTIONS."""
    values = {"a": str(a), "b": str(b), "c": str(a + b)}
    if form is None:
        # The plain question is the one that people type most.
        form = SUM_QUESTIONS[0] if rng.random() < 0.25 else rng.choice(SUM_QUESTIONS)
    return expand(form, rng, values), expand(SUM_ANSWER, rng, values)


def word_problem_turn(rng, a, b, names):
    item = rng.choice(ITEMS)
    n, m = rng.sample(names, 2)
    form = rng.randrange(len(WORD_PROBLEMS))
    values = {"a": str(a), "b": str(b), "c": str(a + b), "i": item, "n": n, "m": m}
    ending = ("{n} has {c} {i}", "they have {c} {i} together", "there are {c} {i} in the box")[form]
    return expand(WORD_PROBLEMS[form], rng, values), expand("{a} + {b} = {c}, so " + ending + ".", rng, values)


def comparison_answer(a, b, kind):
    """The answer to a comparison; kind is the second entry of COMPARISONS."""
    if a == b:
        return f"No, {a} and {b} are equal." if kind.startswith("is") else f"{a} and {b} are equal."
    large, small = max(a, b), min(a, b)
    if kind == "larger":
        return f"{large} is larger than {small}."
    if kind == "smaller":
        return f"{small} is smaller than {large}."
    relation = "larger" if a > b else "smaller"
    return f"{'Yes' if kind == 'is ' + relation else 'No'}, {a} is {relation} than {b}."


def comparison_turn(rng, a, b, form=None):
    question, kind = form or rng.choice(COMPARISONS)
    return expand(question, rng, {"a": str(a), "b": str(b)}), comparison_answer(a, b, kind)


def comparison_operands(rng):
    draw = rng.random()
    if draw < 0.65:
        return rng.randint(0, HIGH), rng.randint(0, HIGH)
    a = rng.randint(0, HIGH)
    if draw < 0.85:  # near ones are harder
        return a, min(HIGH, max(0, a + rng.randint(-9, 9)))
    if draw < 0.95:  # digits swapped
        return a, (a % 10) * 10 + a // 10
    return a, a
