"""The training text of the demo model: document number i of a seed is always the same.

A document is ("chat", messages) or ("text", a plain story). Running this file prints a few of them.
"""

import random
import sys

if __package__ in (None, ""):
    sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parents[1]))
    __package__ = "demo"

from .arithmetic import held_out_pairs, is_held_out  # noqa: E402
from .conversations import COPYING, FULL, MIXED, STORIES, conversation  # noqa: E402
from .stories import check_story, make_story, story_faults  # noqa: E402

__all__ = ["check_story", "conversation", "document", "held_out_pairs", "is_held_out", "make_story", "stories_in",
           "story_faults"]

SEED = "nibble demo"
FIRST_COPYING, FIRST_FULL, FIRST_STORIES = 20480, 28672, 61440  # documents at which the mixture changes


def document(index, seed=SEED):
    """Returns document number index of the training text; every 16th is a long conversation."""
    rng = random.Random(f"{seed} {index}")
    mixtures = ((FIRST_COPYING, MIXED), (FIRST_FULL, COPYING), (FIRST_STORIES, FULL), (float("inf"), STORIES))
    subjects = next(mixture for end, mixture in mixtures if index < end)
    if index % 16 == 15:
        return "chat", conversation(rng, rng.randint(4, 7), subjects)
    if rng.random() < 0.06:
        return "text", make_story(rng)[0]
    return "chat", conversation(rng, None, subjects)


def stories_in(kind_and_content):
    """The stories that a document holds, as exact texts."""
    kind, content = kind_and_content
    if kind == "text":
        return [content]
    return [m["content"] for m in content if m["role"] == "assistant" and "\n\n" in m["content"]]


def main():
    for index in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        kind, content = document(index)
        print(f"--- {index} {kind}")
        print(content if kind == "text" else "\n".join(f"{m['role']}: {m['content']}" for m in content))


if __name__ == "__main__":
    main()
