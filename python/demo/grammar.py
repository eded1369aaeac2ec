"""A tiny template language for text that varies.

`[a|b|c]` picks one alternative, alternatives nest and may be empty, and `{name}` is replaced by a value.
A template is parsed once and kept, because training asks for hundreds of thousands of expansions.
"""

import functools
import re

_TOKEN = re.compile(r"\[|\]|\||\{\w+\}|[^\[\]|{}]+")


@functools.lru_cache(maxsize=None)
def parse(template):
    """Returns the template as a tuple of parts: text, ('value', name) or ('choice', alternatives)."""
    stack = [[[]]]
    for match in _TOKEN.finditer(template):
        token = match.group()
        if token == "[":
            stack.append([[]])
        elif token == "|" and len(stack) > 1:
            stack[-1].append([])
        elif token == "]":
            alternatives = stack.pop()
            if not stack:
                raise ValueError(f"template {template!r}: ']' without '['")
            stack[-1][-1].append(("choice", tuple(tuple(parts) for parts in alternatives)))
        elif token[0] == "{":
            stack[-1][-1].append(("value", token[1:-1]))
        else:
            stack[-1][-1].append(token)
    if len(stack) != 1:
        raise ValueError(f"template {template!r}: '[' without ']'")
    return tuple(stack[0][0])


def _render(parts, rng, values, out):
    for part in parts:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "value":
            out.append(values[part[1]])
        else:
            _render(part[1][int(rng.random() * len(part[1]))], rng, values, out)


def expand(template, rng, values):
    """Expands a template: values maps names to strings, rng is a random.Random."""
    out = []
    _render(parse(template), rng, values, out)
    return "".join(out)


def with_article(phrase):
    """'old map' becomes 'an old map'."""
    return ("an " if phrase[0] in "aeiou" and not phrase.startswith(("uni", "use")) else "a ") + phrase


def capitalize_sentences(text):
    """Puts a capital letter at the start of every sentence."""
    text = re.sub(r" +", " ", text).replace(" \n", "\n").replace("\n ", "\n").strip()
    return re.sub(r'(^"?|[.!?] "?|\n"?)([a-z])', lambda m: m.group(1) + m.group(2).upper(), text)
