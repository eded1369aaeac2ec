"""OpenVINO as a peer (rows.py): the stateful model that OpenVINO GenAI runs, on the runtime itself.

    python openvino_peer.py FOLDER --threads 2 --rows prompt512 decode64x8

FOLDER has openvino_model.xml (make_peer_models.py). As OpenVINO GenAI does, the head is computed for the last token of a
prompt only. The cache is f16, as with the others; OpenVINO's own default on a CPU is 8 bits.
"""

import argparse
import pathlib
import sys

import numpy as np
import openvino as ov
import openvino.opset13 as opset

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from rows import Row, serve, timed, token  # noqa: E402


def keep_last_row(model):
    """logits = f(hidden) @ head: the product reads only the last position of `hidden`."""
    node = model.output("logits").get_node().input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    hidden = node.input_value(0)
    last = opset.slice(hidden, np.int64([-1]), np.int64([2**31 - 1]), np.int64([1]), np.int64([1]))
    node.input(0).replace_source_output(last.output(0))
    model.validate_nodes_and_infer_types()


class Subject:
    def __init__(self, folder, threads, cache):
        core = ov.Core()
        model = core.read_model(folder / "openvino_model.xml")
        keep_last_row(model)
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                    "KV_CACHE_PRECISION": cache}
        self.compiled = core.compile_model(model, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.inputs = {name for port in self.compiled.inputs for name in port.get_names()}
        output = self.compiled.output("logits").get_partial_shape()
        self.vocabulary = output[2].get_length()
        self.stored = {}  # states by (batch, depth)

    def feed(self, batch, past, count):
        values = {"input_ids": np.tile(np.int64([token(i, self.vocabulary) for i in range(count)]), (batch, 1)),
                  "attention_mask": np.ones((batch, past + count), np.int64),
                  "position_ids": np.tile(np.arange(past, past + count, dtype=np.int64), (batch, 1)),
                  "beam_idx": np.arange(batch, dtype=np.int32)}
        self.request.infer({name: value for name, value in values.items() if name in self.inputs}, share_inputs=True)

    def go_to(self, batch, depth):
        """The state after `depth` tokens; computed once, then copied."""
        self.request.reset_state()
        if depth == 0:
            return
        key = (batch, depth)
        if key not in self.stored:
            for begin in range(0, depth, 512):
                self.feed(batch, begin, min(512, depth - begin))
            self.stored[key] = [ov.Tensor(np.array(state.state.data)) for state in self.request.query_state()]
        for state, kept in zip(self.request.query_state(), self.stored[key]):
            state.state = kept

    def measure(self, row):
        self.go_to(row.batch, row.depth)
        prompt = timed(lambda: self.feed(row.batch, row.depth, row.prompt)) if row.prompt else 0.0
        begin = row.depth + row.prompt
        decode = timed(lambda: [self.feed(row.batch, begin + i, 1) for i in range(row.decode)])
        return prompt, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rows", type=Row.parse, nargs="+", required=True)
    parser.add_argument("--kv-cache", default="f16", help="f16 or u8")
    options = parser.parse_args()
    subject = Subject(options.folder, options.threads, options.kv_cache)
    serve({"peer": "OpenVINO", "version": ov.__version__, "threads": options.threads,
           "settings": {name: str(subject.compiled.get_property(name))
                        for name in ("INFERENCE_NUM_THREADS", "KV_CACHE_PRECISION",
                                     "DYNAMIC_QUANTIZATION_GROUP_SIZE", "INFERENCE_PRECISION_HINT")}}, subject.measure)


if __name__ == "__main__":
    main()
