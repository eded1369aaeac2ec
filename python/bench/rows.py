"""The rows of a comparison, and the lines of JSON by which compare.py and a peer talk.

A row is spelled prompt512 (a prompt of 512 tokens), decode64 (64 tokens one by one), decode64x8 (8 sequences together),
decode64@4096 (each sequence holds 4096 tokens before) or prompt128x8.

A peer is a program that loads a model, prints one line of JSON that describes itself, and then answers each line
{"prompt": 512, "batch": 1, "depth": 0, "decode": 0} of its input with {"prompt_seconds": 1.9, "decode_seconds": 0}:
`batch` sequences that hold `depth` tokens each are given `prompt` tokens each, then `decode` tokens one by one.
Loading, and storing the first `depth` tokens, is not part of the seconds. It sleeps between two lines.
"""

import dataclasses
import json
import re
import sys
import time


@dataclasses.dataclass(frozen=True)
class Row:
    prompt: int
    batch: int
    depth: int
    decode: int

    @staticmethod
    def parse(text):
        found = re.fullmatch(r"(prompt|decode)(\d+)(?:x(\d+))?(?:@(\d+))?", text)
        if not found or int(found[2]) == 0:
            raise ValueError(f"row '{text}': expected one such as prompt512, decode64, decode64x8, decode64@4096")
        count, batch, depth = int(found[2]), int(found[3] or 1), int(found[4] or 0)
        return Row(count if found[1] == "prompt" else 0, batch, depth, count if found[1] == "decode" else 0)

    def __str__(self):
        text = f"prompt{self.prompt}" if self.prompt else f"decode{self.decode}"
        return text + (f"x{self.batch}" if self.batch > 1 else "") + (f"@{self.depth}" if self.depth else "")

    @property
    def positions(self):
        """That each sequence needs room for."""
        return self.depth + self.prompt + self.decode

    @property
    def tokens(self):
        """That the seconds are for."""
        return self.batch * (self.prompt + self.decode)


def serve(description, measure):
    """The loop of a peer: `measure(row)` gives (prompt seconds, decode seconds)."""
    print(json.dumps(description), flush=True)
    for line in sys.stdin:
        prompt, decode = measure(Row(**json.loads(line)))
        print(json.dumps({"prompt_seconds": prompt, "decode_seconds": decode}), flush=True)


def token(index, vocabulary):
    """The same ids for every peer."""
    return (index * 7919 + 11) % vocabulary


def timed(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin
