"""Turns documents into rows of token ids with a loss weight for each token.

A row starts with a document, as every conversation at run time does, and is filled up with the next ones.
"""

import numpy as np

from .generator import document

# Weight of the loss by what a token is part of. What a user types is not for the model to predict well (but a story is a story);
# a sum has few tokens, all of which must be right.
USER, TOLD, STORY, ANSWER, ARITHMETIC = 0.1, 0.5, 1.0, 2.0, 3.0


def _pieces(kind, content):
    """Yields (text, weight) pieces; pieces end where special tokens stand, so tokens never straddle two."""
    if kind == "text":
        yield content, STORY
    else:
        for message in content:
            if message["role"] != "assistant":
                weight = TOLD if "\n\n" in message["content"] else USER
                yield f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n", weight
                continue
            answer = message["content"]
            weight = STORY if "\n\n" in answer else ARITHMETIC if any(map(str.isdigit, answer)) else ANSWER
            yield "<|im_start|>assistant\n", USER
            yield answer + "<|im_end|>", weight
            yield "\n", USER
    yield "<|endoftext|>", USER if kind == "chat" else STORY


class Packer:
    """Serves rows of a given length from document first on; `next_document` says how far it came.

    Several workers share the text: worker takes every `workers`-th chunk of documents.
    """

    def __init__(self, tokenizer, first=0, worker=0, workers=1, chunk=256):
        self.tokenizer, self.chunk, self.skip = tokenizer, chunk, (workers - 1) * chunk
        self.next_document = first + worker * chunk
        self.queue = []

    def _fill(self):
        documents = []
        for index in range(self.next_document, self.next_document + self.chunk):
            documents.append(list(_pieces(*document(index))))
        self.next_document += self.chunk + self.skip
        texts = [text for pieces in documents for text, _ in pieces]
        encoded = iter(self.tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        for pieces in documents:
            ids, weights = [], []
            for _, weight in pieces:
                piece = next(encoded).ids
                ids += piece
                weights += [weight] * len(piece)
            self.queue.append((ids, weights))

    def _document(self, prefer_long):
        if len(self.queue) < self.chunk // 2:
            self._fill()
        if prefer_long:
            for place, (ids, _) in enumerate(self.queue):
                if len(ids) > 512:
                    return self.queue.pop(place)
        return self.queue.pop(0)

    def row(self, length):
        """Returns (ids, weights), arrays of length + 1; rows longer than 512 begin with a long document."""
        ids, weights = [], []
        while len(ids) <= length:
            more_ids, more_weights = self._document(length > 512 and not ids)
            ids, weights = ids + more_ids, weights + more_weights
        return np.array(ids[:length + 1], np.int64), np.array(weights[:length + 1], np.float32)

    def batch(self, rows, length):
        """Returns ids and weights as int64 [rows, length + 1] and float32 [rows, length + 1]."""
        ids, weights = zip(*(self.row(length) for _ in range(rows)))
        return np.stack(ids), np.stack(weights)
