"""OpenVINO GenAI's continuous-batching pipeline under a closed load, without a server around it (serving.py).

    python openvino_batching_peer.py FOLDER --threads 2 --clients 16 --requests 64 --prompt 128 --output 128

As many requests as there are clients run at a time; where one ends, the next begins. FOLDER has openvino_model.xml
(make_peer_models.py). Prints one line of JSON: output tokens a second, and seconds from token to token.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def open_pipeline(options, positions):
    """The pipeline wants a tokenizer's files, though it is given ids: an empty model stands in."""
    settings = genai.SchedulerConfig()
    settings.max_num_seqs = options.clients
    settings.max_num_batched_tokens = 512
    settings.dynamic_split_fuse = True
    settings.enable_prefix_caching = False
    settings.num_kv_blocks = options.clients * (positions // 32 + 2)
    properties = {"INFERENCE_NUM_THREADS": options.threads, "KV_CACHE_PRECISION": options.kv_cache}
    return genai.ContinuousBatchingPipeline(str(options.folder), settings, "CPU", properties)


class Client:
    """One after another, requests that share no beginning."""

    def __init__(self, pipeline, options, number):
        self.pipeline, self.options, self.number = pipeline, options, number
        self.sent, self.handle = 0, None

    def send(self, serial):
        random = np.random.default_rng(serial)
        ids = random.integers(10, 2000, size=(1, self.options.prompt), dtype=np.int64)
        config = genai.GenerationConfig()
        config.max_new_tokens = config.min_new_tokens = self.options.output
        config.ignore_eos = True
        config.do_sample = False
        self.handle = self.pipeline.add_request(serial, ov.Tensor(ids), config)
        self.count, self.last = 0, None

    def take(self, now, gaps):
        """Tokens that have come; notes the seconds from one to the next."""
        taken = 0
        while self.handle.can_read():
            for output in self.handle.read().values():
                count = len(output.generated_ids)
                taken += count
                if self.last is not None:
                    gaps.extend([(now - self.last) / count] * count)
                self.last = now
        self.count += taken
        return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    for name in ("threads", "clients", "requests", "prompt", "output"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--kv-cache", default="f16", help="f16 or u8")
    options = parser.parse_args()
    pipeline = open_pipeline(options, options.prompt + options.output)
    clients = [Client(pipeline, options, i) for i in range(options.clients)]
    serial, gaps, tokens, ended = 0, [], 0, 0
    begin = time.perf_counter()
    for client in clients:
        client.send(serial)
        serial += 1
    running = list(clients)
    while running:
        pipeline.step()
        now = time.perf_counter()
        for client in list(running):
            tokens += client.take(now, gaps)
            if client.count < options.output:
                continue
            ended += 1
            if serial < options.requests:
                client.send(serial)
                serial += 1
            else:
                running.remove(client)
    seconds = time.perf_counter() - begin
    print(json.dumps({"output_tokens_per_second": tokens / seconds, "requests": ended, "output_tokens": tokens,
                      "inter_token_seconds": {f"p{p}": float(np.percentile(gaps, p)) for p in (50, 90, 99)}}))


if __name__ == "__main__":
    main()
