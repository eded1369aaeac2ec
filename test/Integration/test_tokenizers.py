"""Our tokenizers against Hugging Face `tokenizers`, run live on the same files and texts.

NIBBLE_BUILD names the build folder (build/release of this checkout otherwise), NIBBLE_DATA the third-party data.
"""

import functools
import json
import os
import pathlib
import random
import subprocess

import pytest

tokenizers = pytest.importorskip("tokenizers", reason="the reference is the package `tokenizers`")

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("NIBBLE_BUILD", ROOT / "build" / "release"), "unit", "nibble-tokenizer-check")
DATA = os.environ.get("NIBBLE_DATA")
TEXT_FILES = ["tinyshakespeare.txt", "tinystories-train-excerpt.txt", "wiki.test.raw"]

if not PROGRAM.exists():
    pytest.skip(f"{PROGRAM} is not built", allow_module_level=True)
needs_data = pytest.mark.skipif(DATA is None, reason="NIBBLE_DATA is not set")


def ask(source, verb, lines):
    """What nibble-tokenizer-check answers to each line."""
    asked = "".join(json.dumps(line) + "\n" for line in lines)
    answer = subprocess.run([PROGRAM, source, verb], input=asked, capture_output=True, text=True, encoding="utf-8")
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.split("\n")[:-1]]


def same(ours, expected, what):
    """Asserts equality with a message about the first difference: the lists have up to a million ids."""
    if ours == expected:
        return
    at = next((i for i, (a, b) in enumerate(zip(ours, expected)) if a != b), min(len(ours), len(expected)))
    pytest.fail(f"{what}: first difference at {at}: ours {ours[at:at + 8]}, expected {expected[at:at + 8]}")


@functools.cache
def texts():
    return [pathlib.Path(DATA, "text", name).read_text(encoding="utf-8") for name in TEXT_FILES]


@functools.cache
def expected_ids(folder):
    """What `tokenizers` makes of each text with a folder's tokenizer.json."""
    reference = tokenizers.Tokenizer.from_file(str(pathlib.Path(DATA, folder, "tokenizer.json")))
    return [reference.encode(text).ids for text in texts()]


def without_normalized(path):
    """A reference for decoding: `tokenizers` 0.23 does not leave out special tokens that are "normalized"."""
    data = json.loads(path.read_text(encoding="utf-8"))
    data["added_tokens"] = [dict(token, normalized=False) for token in data["added_tokens"]]
    return tokenizers.Tokenizer.from_str(json.dumps(data))


FOLDERS = ["tokenizers/llama2", "tokenizers/phi3-v", "models/TinyStories-656K"]


@needs_data
@pytest.mark.parametrize("folder", FOLDERS)
def test_texts(folder):
    source = pathlib.Path(DATA, folder)
    decoder = without_normalized(source / "tokenizer.json")
    answers = ask(source, "encode", texts())
    for name, text, ids, expected, back in zip(TEXT_FILES, texts(), answers, expected_ids(folder), ask(source, "decode", answers)):
        same(ids, expected, f"{folder} on {name}")
        assert back == decoder.decode(ids, skip_special_tokens=True), f"{folder} on {name}"
        if "TinyStories" not in folder:  # that one has no tokens for some characters
            assert back == text, f"{folder} on {name}"


def sampled(text, count, seed):
    """Stretches of a text, from a few characters to some lines, beginning and ending anywhere."""
    source = random.Random(seed)
    for _ in range(count):
        begin = source.randrange(len(text))
        yield text[begin:begin + source.choice([1, 2, 3, 5, 10, 40, 200, 1000])]


@needs_data
@pytest.mark.parametrize("folder", FOLDERS + ["onnx/tiny-random-LlamaForCausalLM-fp16"])
def test_stretches(folder):
    source = pathlib.Path(DATA, folder)
    reference = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    stretches = [part for text in texts() for part in sampled(text, 300, 7)]
    for part, ids in zip(stretches, ask(source, "encode-plain", stretches)):
        reference.encode_special_tokens = True
        assert ids == reference.encode(part, add_special_tokens=False).ids, repr(part)


@needs_data
def test_streams():
    source = pathlib.Path(DATA, "tokenizers", "phi3-v")
    ids = ask(source, "encode", texts()[2:])[0][:20000]
    parts = ask(source, "stream", [ids])[0]
    assert "".join(parts) == ask(source, "decode", [ids])[0]


def random_texts(count, seed):
    """Letters, marks, digits, spaces and symbols of many scripts, and pieces of special tokens."""
    source = random.Random(seed)
    alphabet = ("abcdeABC  \t\n\r\n0123456789.,;:!?'\"-_/\\()[]{}<>|@#$%^&*+=~`" "äéßøıſ" "\u0301\u0308\u200d\u200b\u00a0\u2003\u3000"
                "ЖдΩλאبहि" "你好世界日本語テ한글" "½²Ⅷ৩٣" "🦙👍🏽" "▁")
    words = ["'s", "'LL", "they're", "<|im_start|>", "<s>", "</s>", "[L]", "[R]", "[W]", "  ", "\n\n", "1234567", "<0x0A>"]
    for _ in range(count):
        yield "".join(source.choice(words) if source.random() < 0.15 else source.choice(alphabet)
                      for _ in range(source.randrange(1, 60)))


@pytest.mark.parametrize("name", sorted(p.parent.name for p in (ROOT / "test/data/tokenizers").glob("*/tokenizer.json")))
def test_random_texts(name):
    source = ROOT / "test/data/tokenizers" / name
    reference = tokenizers.Tokenizer.from_file(str(source / "tokenizer.json"))
    decoder = without_normalized(source / "tokenizer.json")
    lines = list(random_texts(1500, 11))
    for line, ids in zip(lines, ask(source, "encode", lines)):
        assert ids == reference.encode(line).ids, repr(line)
    reference.encode_special_tokens = True
    plain = ask(source, "encode-plain", lines)
    for line, ids in zip(lines, plain):
        assert ids == reference.encode(line, add_special_tokens=False).ids, repr(line)
    for ids, text in zip(plain, ask(source, "decode-all", plain)):
        assert text == decoder.decode(ids, skip_special_tokens=False)
    source = random.Random(3)
    size = reference.get_vocab_size()
    nonsense = [[source.randrange(size) for _ in range(source.randrange(12))] for _ in range(1500)]
    for ids, text in zip(nonsense, ask(ROOT / "test/data/tokenizers" / name, "decode", nonsense)):
        assert text == decoder.decode(ids, skip_special_tokens=True), ids


def gguf_of(folder, path, with_merges):
    """The tokenizer of a Hugging Face folder as a converter writes it: scores are minus the token's number."""
    gguf = pytest.importorskip("gguf", reason="writes the GGUF files")
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    special = {token["content"] for token in data["added_tokens"] if token["special"]}
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocab)
    writer.add_token_scores([-float(i) for i in range(len(vocab))])
    kinds = gguf.TokenType
    writer.add_token_types([kinds.UNKNOWN if t == "<unk>" else kinds.CONTROL if t in special else kinds.NORMAL for t in vocab])
    if with_merges:
        writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@needs_data
@pytest.mark.parametrize("with_merges", [False, True])
def test_tinystories_as_gguf(tmp_path, with_merges):
    folder = pathlib.Path(DATA, "models", "TinyStories-656K")
    gguf_of(folder, tmp_path / "vocab.gguf", with_merges)
    answers = ask(tmp_path / "vocab.gguf", "encode", texts())
    for name, ids, expected in zip(TEXT_FILES, answers, expected_ids("models/TinyStories-656K")):
        same(ids, expected, name)


@needs_data
@pytest.mark.parametrize("name,folder", [("llama-spm", "llama2"), ("phi-3", "phi3-v")])
def test_gguf_agrees_with_json(name, folder):
    """The GGUF vocabularies are those of the tokenizer.json files, merged by score instead of by rank."""
    source = pathlib.Path(DATA, "tokenizers", "cases", f"ggml-vocab-{name}.gguf")
    for text_name, ids, expected in zip(TEXT_FILES, ask(source, "encode", texts()), expected_ids(f"tokenizers/{folder}")):
        same(ids, expected, f"{name} on {text_name}")


@needs_data
def test_gpt2_agrees_with_the_json():
    """GPT-2's own vocab.json and merges.txt, in `tokenizers`, against the GGUF vocabulary."""
    from tokenizers import decoders, models, pre_tokenizers
    folder = pathlib.Path(DATA, "tokenizers", "gpt2")
    reference = tokenizers.Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    reference.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    reference.decoder = decoders.ByteLevel()
    source = pathlib.Path(DATA, "tokenizers", "cases", "ggml-vocab-gpt-2.gguf")
    for name, text, ids in zip(TEXT_FILES, texts(), ask(source, "encode-plain", texts())):
        same(ids, reference.encode(text).ids, name)
        assert ask(source, "decode", [ids])[0] == text
