"""Trains the demo model on text of the generator and writes a Hugging Face checkpoint.

    python train.py --out FOLDER --minutes 70

Tokenizer first, then a plain PyTorch loop on the CPU: Muon for the matrices and AdamW for the rest, constant
learning rate and then a linear decay, with the weights rounded to int4 on the way forward in the last part so that
the compiled int4 model keeps what was learned. A checkpoint is written every few minutes.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import multiprocessing

if __package__ in (None, ""):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    __package__ = "demo"

from . import train_tokenizer  # noqa: E402
from .arithmetic import comparison_operands, comparison_turn, held_out_pairs, sum_turn  # noqa: E402
from .conversations import context_turns, small_text, story_questions  # noqa: E402
from .model import Llama, Shape  # noqa: E402
from .packing import Packer  # noqa: E402
from .stories import make_story  # noqa: E402


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal by a quintic Newton-Schulz iteration (K. Jordan, 2024)."""

    def __init__(self, parameters, lr=0.02, momentum=0.95):
        super().__init__(parameters, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                state = self.state[p]
                buffer = state.setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                shapes.setdefault(p.shape, []).append((p, p.grad.lerp(buffer, group["momentum"])))
            for shape, pairs in shapes.items():
                x = torch.stack([update for _, update in pairs])
                tall = shape[0] > shape[1]
                x = x.transpose(1, 2) if tall else x
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    gram = x @ x.transpose(1, 2)
                    x = 3.4445 * x + (2.0315 * gram @ gram - 4.7750 * gram) @ x
                x = x.transpose(1, 2) if tall else x
                for (p, _), update in zip(pairs, x):
                    p.add_(update, alpha=-group["lr"] * max(1, shape[0] / shape[1]) ** 0.5)


def save_checkpoint(model, tokenizer, folder):
    from safetensors.torch import save_file
    from transformers import GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    special = {name: tokenizer.token_to_id(name) for name in train_tokenizer.SPECIAL}
    train_tokenizer.save(tokenizer, folder)
    config = model.config(special)
    config.dtype = "float16"
    config.save_pretrained(folder)
    GenerationConfig(eos_token_id=[special["<|im_end|>"], special["<|endoftext|>"]],
                     pad_token_id=special["<|endoftext|>"], bos_token_id=None, do_sample=True, temperature=0.7,
                     top_p=0.9).save_pretrained(folder)
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def probes(rng, count):
    """Questions by subject, none of which training saw in this form: {subject: [(question, answer), ...]}."""
    pairs = sorted(held_out_pairs())
    sums, comparisons, stories, facts = [], [], [], []
    for _ in range(count):
        a, b = rng.choice(pairs)
        sums.append(sum_turn(rng, *((a, b) if rng.random() < 0.5 else (b, a))))
        comparisons.append(comparison_turn(rng, *comparison_operands(rng)))
    for _ in range(count // 4):
        text, story_facts = make_story(rng)
        stories += context_turns(rng, text, story_questions(rng, story_facts, 1))
        text, turns = small_text(rng)
        facts += context_turns(rng, text, turns[:1])
    return {"sums": sums, "comparisons": comparisons, "stories": stories, "facts": facts}


@torch.no_grad()
def accuracy(model, tokenizer, turns):
    """The part of the turns whose whole answer is the greedy one."""
    end, right = tokenizer.token_to_id("<|im_end|>"), 0
    for first in range(0, len(turns), 50):
        encoded = []
        for question, answer in turns[first:first + 50]:
            prompt = tokenizer.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n").ids
            encoded.append((len(prompt), prompt + tokenizer.encode(answer).ids + [end]))
        ids = torch.zeros(len(encoded), max(len(i) for _, i in encoded), dtype=torch.long)
        for row, (_, i) in enumerate(encoded):
            ids[row, :len(i)] = torch.tensor(i)
        best = model(ids).argmax(-1)
        for row, (start, i) in enumerate(encoded):
            right += bool((best[row, start - 1:len(i) - 1] == ids[row, start:len(i)]).all())
    return right / len(turns)


def average_gradients(parameters):
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad.copy_(part.view_as(p))


class Clock:
    """How much of the run is done, by steps or by the first worker's clock, the same for every worker."""

    def __init__(self, options):
        self.options, self.start = options, time.time() - options.progress * options.minutes * 60

    def minutes(self):
        return (time.time() - self.start) / 60

    def progress(self, step):
        if self.options.steps:
            return self.options.progress + step / self.options.steps
        value = torch.tensor([self.minutes() / self.options.minutes])
        dist.broadcast(value, 0)
        return value.item()


def run(rank, options, rendezvous):
    """One worker: a process of one thread, because two threads of one process wait for each other all the time
    on a machine that others use, too."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=options.workers)
    tokenizer = train_tokenizer.train(Shape.vocabulary, 6000)
    model = Llama(Shape())
    if options.resume:
        from safetensors.torch import load_file
        model.load_state_dict({k: v.float() for k, v in load_file(options.resume / "model.safetensors").items()})
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim == 1 or "embed" in name]
    optimizers = [Muon(matrices), torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0)]
    forward = torch.compile(model, dynamic=False) if options.compile else model
    packer = Packer(tokenizer, options.first_document, rank, options.workers)
    questions = probes(random.Random("probes"), 120)
    if rank == 0:
        print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    clock = Clock(options)
    saved, report, tokens_reported = time.time(), time.time(), 0
    step = tokens = 0
    running, rounding_began = None, False
    while (progress := clock.progress(step)) < 1:
        rate = min(1, (step + 1) / options.warm_up) * min(1, max(0.01, (1 - progress) / 0.55))
        for optimizer, lr in zip(optimizers, (options.rate, 0.2 * options.rate)):
            optimizer.param_groups[0]["lr"] = lr * rate
        # In the rounding part every fourth step is a plain one: the float model must stay good, too.
        round_now = progress > options.round_from and step % 4 != 0
        model.round_to(4 if round_now else 0, refresh=not rounding_began or step % 20 == 1 or step % 150 < 2)
        rounding_began = rounding_began or round_now
        length = 1024 if step % 5 == 4 else 512
        ids, weights = packer.batch(options.rows * 512 // length // options.workers, length)
        ids, weights = torch.from_numpy(ids), torch.from_numpy(weights)[:, 1:].flatten()
        logits = (forward if length == 512 else model)(ids[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weights).sum() / weights.sum()
        loss.backward()
        average_gradients(matrices + others)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=True)
        step, tokens = step + 1, tokens + ids[:, 1:].numel() * options.workers
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        if rank or step % 25:
            continue
        speed = (tokens - tokens_reported) / (time.time() - report)
        report, tokens_reported = time.time(), tokens
        line = f"{clock.minutes():6.1f} min step {step} tokens {tokens / 1e6:.2f}M documents " \
               f"{packer.next_document} loss {running:.4f} {speed:.0f} tokens/s"
        if step % 150 == 0:
            for bits in (0, 4) if progress > options.round_from or step % 450 == 0 else (0,):
                model.round_to(bits)
                line += f" | {'int4' if bits else 'f32'}" + "".join(
                    f" {name} {accuracy(model, tokenizer, turns):.3f}" for name, turns in questions.items())
        print(line, flush=True)
        if time.time() - saved > options.save_every * 60:
            save_checkpoint(model, tokenizer, options.out)
            saved = time.time()
    if rank == 0:
        save_checkpoint(model, tokenizer, options.out)
        summary = {"steps": step, "tokens": tokens, "documents": packer.next_document, "loss": round(running, 4),
                   "minutes": round(clock.minutes(), 1)}
        print(json.dumps(summary), flush=True)
        (options.out / "training.json").write_text(json.dumps(summary, indent=1) + "\n")
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--minutes", type=float, default=70, help="length of the run when --steps is not given")
    parser.add_argument("--steps", type=int, help="length of the run in steps, for a result that repeats")
    parser.add_argument("--rows", type=int, default=12, help="rows of 512 tokens in a step, over all workers")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--rate", type=float, default=0.02, help="learning rate of the matrices")
    parser.add_argument("--warm-up", type=int, default=100, help="steps until the learning rate is reached")
    parser.add_argument("--round-from", type=float, default=0.75, help="part of the run after which int4 rounding starts")
    parser.add_argument("--resume", type=pathlib.Path, help="checkpoint to go on from")
    parser.add_argument("--progress", type=float, default=0, help="with --resume: the part of the run that is done")
    parser.add_argument("--first-document", type=int, default=0, help="with --resume: where the text goes on")
    parser.add_argument("--compile", action="store_true", help="use torch.compile (pays on a quiet machine)")
    parser.add_argument("--save-every", type=float, default=5, help="minutes between checkpoints")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(run, (options, str(pathlib.Path(folder) / "rendezvous")), nprocs=options.workers)


if __name__ == "__main__":
    main()
