"""A Llama model in plain PyTorch with the tensor names of Hugging Face, and the int4 rounding of the compiler.

It exists beside transformers' class because it trains about twice as fast on two CPU cores and can round its
weights to int4 on the way forward (straight-through gradients).
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

GROUP = 32  # elements along K that share a scale
FACTORS = [0.70 + 0.01 * i for i in range(46)]


@dataclasses.dataclass
class Shape:
    vocabulary: int = 1024
    hidden: int = 192
    intermediate: int = 512
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    theta: float = 10000.0
    epsilon: float = 1e-5
    context: int = 1024


def group_scales(weight, bits):
    """Returns (scales, steps), each [N, K / 32, 1], of the best of 46 symmetric roundings of a weight [N, K].

    e is a group's element of largest magnitude, with sign. A factor f gives codes round(w / (f e / -2^(bits-1)))
    and the least-squares scale f16(sum(w q) / sum(q q)) for them; the smallest squared error wins.
    """
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    groups = weight.detach().unflatten(-1, (-1, GROUP))
    extreme = groups.gather(-1, groups.abs().argmax(-1, keepdim=True))
    best = torch.full_like(extreme, float("inf"))
    scales, steps = torch.zeros_like(extreme), torch.zeros_like(extreme)
    for factor in FACTORS:
        step = factor * extreme / low
        codes = torch.where(step == 0, 0.0, (groups / step).round().clamp(low, high))
        squares = (codes * codes).sum(-1, keepdim=True)
        scale = torch.where(squares == 0, 0.0, (groups * codes).sum(-1, keepdim=True) / squares)
        scale = scale.half().to(weight.dtype)
        error = (groups - scale * codes).square().sum(-1, keepdim=True)
        better = error < best
        # The codes belong to the step they were rounded with, so it is kept beside the scale.
        best = torch.where(better, error, best)
        scales = torch.where(better, scale, scales)
        steps = torch.where(better, step, steps)
    return scales, steps


def rounded(weight, scales, steps, bits):
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    groups = weight.unflatten(-1, (-1, GROUP))
    codes = torch.where(steps == 0, 0.0, (groups / steps).round().clamp(low, high))
    return (codes * scales).flatten(-2)


def quantized(weight, bits):
    """The weight after int-b quantization in groups of 32 along K and back, as the compiler does it."""
    return rounded(weight, *group_scales(weight, bits), bits)


class Weight(nn.Module):
    """A bias-free linear (or table) of shape [N, K] that can round its weight on the way forward."""

    def __init__(self, rows, columns, std):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(rows, columns) * std)
        self.bits = 0  # 0: no rounding
        for name in ("scales", "steps"):
            self.register_buffer(name, torch.zeros(rows, columns // GROUP, 1), persistent=False)

    def refresh(self, bits):
        for buffer, values in zip((self.scales, self.steps), group_scales(self.weight, bits)):
            buffer.copy_(values)

    def value(self):
        if not self.bits:
            return self.weight
        return self.weight + (rounded(self.weight, self.scales, self.steps, self.bits) - self.weight).detach()

    def forward(self, x):
        return F.linear(x, self.value())


class Norm(nn.Module):
    def __init__(self, size, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.q_proj = Weight(s.heads * s.head_dim, s.hidden, s.hidden ** -0.5)
        self.k_proj = Weight(s.kv_heads * s.head_dim, s.hidden, s.hidden ** -0.5)
        self.v_proj = Weight(s.kv_heads * s.head_dim, s.hidden, s.hidden ** -0.5)
        self.o_proj = Weight(s.hidden, s.heads * s.head_dim, s.hidden ** -0.5 / (2 * s.layers) ** 0.5)

    def forward(self, x, cos, sin):
        s, (batch, length, _) = self.s, x.shape

        def heads(y, count):
            return y.view(batch, length, count, s.head_dim).transpose(1, 2)

        def rotate(y):
            first, second = y.chunk(2, -1)
            return y * cos + torch.cat([-second, first], -1) * sin

        q, k, v = (heads(f(x), n) for f, n in ((self.q_proj, s.heads), (self.k_proj, s.kv_heads),
                                               (self.v_proj, s.kv_heads)))
        repeat = s.heads // s.kv_heads
        q, k = rotate(q), rotate(k).repeat_interleave(repeat, 1)
        out = F.scaled_dot_product_attention(q, k, v.repeat_interleave(repeat, 1), is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj = Weight(s.intermediate, s.hidden, s.hidden ** -0.5)
        self.up_proj = Weight(s.intermediate, s.hidden, s.hidden ** -0.5)
        self.down_proj = Weight(s.hidden, s.intermediate, s.intermediate ** -0.5 / (2 * s.layers) ** 0.5)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.self_attn, self.mlp = Attention(s), Mlp(s)
        self.input_layernorm = Norm(s.hidden, s.epsilon)
        self.post_attention_layernorm = Norm(s.hidden, s.epsilon)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embed_tokens = Weight(s.vocabulary, s.hidden, 0.02)
        self.layers = nn.ModuleList(Layer(s) for _ in range(s.layers))
        self.norm = Norm(s.hidden, s.epsilon)


class Llama(nn.Module):
    """forward: token ids int64 [B, T] to logits float32 [B, T, vocabulary]; the head is the embedding table."""

    def __init__(self, s):
        super().__init__()
        self.s, self.model = s, Body(s)
        frequency = s.theta ** (-torch.arange(0, s.head_dim, 2).float() / s.head_dim)
        angle = torch.outer(torch.arange(s.context).float(), frequency).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def round_to(self, bits, refresh=True):
        """Rounds from now on: to bits in the linears, to int8 in the table; 0 is no rounding."""
        for module in self.modules():
            if isinstance(module, Weight):
                module.bits = 8 if bits and module is self.model.embed_tokens else bits
                if bits and refresh:
                    module.refresh(module.bits)

    def forward(self, ids):
        table = self.model.embed_tokens.value()
        x = F.embedding(ids, table)
        cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return F.linear(self.model.norm(x), table)

    def config(self, special):
        """The model's config.json as transformers writes it; special maps special tokens to ids."""
        from transformers import LlamaConfig

        s = self.s
        return LlamaConfig(
            vocab_size=s.vocabulary, hidden_size=s.hidden, intermediate_size=s.intermediate,
            num_hidden_layers=s.layers, num_attention_heads=s.heads, num_key_value_heads=s.kv_heads,
            head_dim=s.head_dim, max_position_embeddings=s.context, rms_norm_eps=s.epsilon, rope_theta=s.theta,
            tie_word_embeddings=True, attention_bias=False, bos_token_id=None,
            eos_token_id=[special["<|im_end|>"], special["<|endoftext|>"]], pad_token_id=special["<|endoftext|>"],
            architectures=["LlamaForCausalLM"], initializer_range=0.02, use_cache=True)
