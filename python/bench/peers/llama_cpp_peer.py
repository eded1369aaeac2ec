"""llama.cpp as a peer (rows.py), through llama-cpp-python's low-level binding.

    python llama_cpp_peer.py FILE.gguf --threads 2 --rows prompt512 decode64x8

Flash attention is on, the cache is f16 and each sequence has its own; weights are repacked where llama.cpp can (its
default), and what its log says of that is in the description.
"""

import argparse
import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import llama_cpp  # noqa: E402
from rows import Row, serve, timed, token  # noqa: E402


class Log:
    """Keeps what llama.cpp says while it loads."""

    def __init__(self):
        self.text = ""
        self.callback = llama_cpp.llama_log_callback(self.add)
        llama_cpp.llama_log_set(self.callback, ctypes.c_void_p(0))

    def add(self, level, text, data):
        self.text += text.decode(errors="replace")

    def lines(self, word):
        return [line.split(": ", 1)[-1].strip() for line in self.text.splitlines() if word in line]


class Subject:
    def __init__(self, path, threads, rows):
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp could not load it")
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.threads = threads
        self.capacity = {}  # positions that a sequence needs, by the number of sequences
        for row in rows:
            self.capacity[row.batch] = max(self.capacity.get(row.batch, 0), row.positions)
        self.contexts = {}

    def context(self, batch):
        if batch not in self.contexts:
            parameters = llama_cpp.llama_context_default_params()
            parameters.n_ctx = batch * -(-self.capacity[batch] // 256) * 256
            parameters.n_batch = 2048
            parameters.n_ubatch = 512
            parameters.n_seq_max = batch
            parameters.n_threads = parameters.n_threads_batch = self.threads
            parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
            parameters.kv_unified = False
            parameters.no_perf = True
            context = llama_cpp.llama_init_from_model(self.model, parameters)
            if not context:
                raise SystemExit(f"llama.cpp could not make a context of {parameters.n_ctx} positions")
            self.contexts[batch] = (context, llama_cpp.llama_batch_init(parameters.n_batch, 0, 1), [0] * batch)
        return self.contexts[batch]

    def feed(self, batch, count, sequences):
        """Gives each of `sequences` `count` tokens, the last of each with logits."""
        context, entries, lengths = self.context(batch)
        rows = [(sequence, lengths[sequence] + i, i, i + 1 == count) for sequence in sequences for i in range(count)]
        for begin in range(0, len(rows), 2048):
            part = rows[begin:begin + 2048]
            entries.n_tokens = len(part)
            for slot, (sequence, position, index, last) in enumerate(part):
                entries.token[slot] = token(index, self.vocabulary)
                entries.pos[slot] = position
                entries.n_seq_id[slot] = 1
                entries.seq_id[slot][0] = sequence
                entries.logits[slot] = last
            status = llama_cpp.llama_decode(context, entries)
            if status:
                raise SystemExit(f"llama_decode gave {status}")
        llama_cpp.llama_synchronize(context)
        for sequence in sequences:
            lengths[sequence] += count

    def measure(self, row):
        context, _, lengths = self.context(row.batch)
        memory = llama_cpp.llama_get_memory(context)
        for sequence in range(row.batch):
            if lengths[sequence] > row.depth:
                llama_cpp.llama_memory_seq_rm(memory, sequence, row.depth, -1)
                lengths[sequence] = row.depth
            if lengths[sequence] < row.depth:
                self.feed(row.batch, row.depth - lengths[sequence], [sequence])
        everyone = range(row.batch)
        prompt = timed(lambda: self.feed(row.batch, row.prompt, everyone)) if row.prompt else 0.0
        decode = timed(lambda: [self.feed(row.batch, 1, everyone) for _ in range(row.decode)])
        return prompt, decode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rows", type=Row.parse, nargs="+", required=True)
    options = parser.parse_args()
    log = Log()
    llama_cpp.llama_backend_init()
    subject = Subject(options.file, options.threads, options.rows)
    for batch in sorted(subject.capacity):
        subject.context(batch)
    serve({"peer": "llama.cpp", "version": f"llama-cpp-python {llama_cpp.__version__}",
           "weights": log.lines("model buffer size"), "flash_attention": log.lines("flash_attn"),
           "threads": options.threads,
           "system": llama_cpp.llama_print_system_info().decode()}, subject.measure)


if __name__ == "__main__":
    main()
