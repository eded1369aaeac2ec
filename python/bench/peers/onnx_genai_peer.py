"""ONNX Runtime GenAI as a peer (rows.py).

    python onnx_genai_peer.py FOLDER --threads 2 --rows prompt512 decode64x8

FOLDER has genai_config.json and the model (make_peer_models.py). Decoding starts behind at least one token, and its time
includes the choice of the most likely token, which the generator always makes. The cache is f32: its models for CPUs have
no other.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import onnxruntime_genai as og

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import Row, serve, timed, token  # noqa: E402


class Subject:
    def __init__(self, folder, threads):
        config = og.Config(str(folder))
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self.model = og.Model(config)
        self.vocabulary = json.loads((folder / "genai_config.json").read_text())["model"]["vocab_size"]
        self.kept = {}  # generators of one sequence that hold a context, by its depth

    def generator(self, row):
        parameters = og.GeneratorParams(self.model)
        room = max(row.depth, 1) + row.prompt + row.decode + 2
        parameters.set_search_options(batch_size=row.batch, max_length=room, min_length=room, do_sample=False)
        return og.Generator(self.model, parameters)

    def append(self, generator, batch, count):
        ids = np.int32([token(i, self.vocabulary) for i in range(count)])
        generator.append_tokens(ids if batch == 1 else np.tile(ids, (batch, 1)))

    def measure(self, row):
        if row.prompt and not row.depth:
            generator = self.generator(row)
            return timed(lambda: self.append(generator, row.batch, row.prompt)), 0.0
        generator = self.at_depth(row)
        if row.prompt:
            return timed(lambda: self.append(generator, row.batch, row.prompt)), 0.0
        generator.generate_next_token()  # chooses only: the logits are there already
        return 0.0, timed(lambda: [generator.generate_next_token() for _ in range(row.decode)])

    def at_depth(self, row):
        depth = max(row.depth, 1)
        if row.batch == 1 and (row in self.kept):
            self.kept[row].rewind_to(depth - 1)
            self.append(self.kept[row], 1, 1)
            return self.kept[row]
        generator = self.generator(row)
        self.append(generator, row.batch, depth)
        if row.batch == 1:
            self.kept[row] = generator
        return generator


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rows", type=Row.parse, nargs="+", required=True)
    options = parser.parse_args()
    subject = Subject(options.folder, options.threads)
    serve({"peer": "ONNX Runtime GenAI", "version": og.__version__, "threads": options.threads}, subject.measure)


if __name__ == "__main__":
    main()
