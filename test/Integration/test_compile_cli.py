"""nibble-compile as a person meets it: determinism, errors, exit codes, nothing half-written."""

import os
import resource
import signal
import shutil
import subprocess

import pytest

from conftest import TEST_DATA, interrupt, run, tool

CHECKPOINT = TEST_DATA / "tiny" / "llama"


def compile_model(*words, **options):
    return run(tool("nibble-compile"), *words, **options)


def test_same_bytes_from_two_folders_with_any_number_of_threads(tmp_path):
    made = []
    for name, threads in (("one", 1), ("another-folder", 2)):
        folder = tmp_path / name
        shutil.copytree(CHECKPOINT, folder / "checkpoint")
        compile_model(folder / "checkpoint", "-o", folder / "model", "--target=cpu:x86-64-v3", f"--threads={threads}",
                      "--precision=int4", cwd=folder)
        made.append((folder / "model").read_bytes())
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0]
    assert os.path.expanduser("~").encode() + b"/" not in made[0]


def failure(code, *words, **options):
    """The message of a command that must fail with that code, in at least a sentence."""
    done = compile_model(*words, check=False, **options)
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert len(done.stderr.strip()) > 20
    return done.stderr


def test_missing_checkpoint(tmp_path):
    assert "nowhere" in failure(1, tmp_path / "nowhere", "-o", tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_folder_without_a_model(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "config.json" in failure(1, tmp_path / "empty", "-o", tmp_path / "model")


def test_output_in_a_missing_folder(tmp_path):
    assert "missing" in failure(1, CHECKPOINT, "-o", tmp_path / "missing" / "model")
    assert not list(tmp_path.iterdir())


def test_output_is_a_folder(tmp_path):
    (tmp_path / "model").mkdir()
    assert "model" in failure(1, CHECKPOINT, "-o", tmp_path / "model")
    assert not list((tmp_path / "model").iterdir())


@pytest.mark.parametrize("words", [
    ("--precision=int5",),
    ("--no-such-option",),
    ("--activations=int8", "--precision=f32"),
    ("--target=cpu:pentium",),
    ("--head=int8", "--embedding=int4"),
])
def test_wrong_usage(tmp_path, words):
    checkpoint = TEST_DATA / "tiny" / "qwen2-tied"
    failure(2, checkpoint, "-o", tmp_path / "model", *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size, what", [(20_000, "temporary file"), (1_000_000, "model")])
def test_full_disk(tmp_path, size, what):
    """A limit on the size of files stands for the disk's end, met by the linker's input or by the artifact."""
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing past it is an error like any other

    done = subprocess.run([tool("nibble-compile"), CHECKPOINT, "-o", tmp_path / "model"], capture_output=True, text=True,
                          preexec_fn=limit, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == 1, done.stderr
    assert what in done.stderr and "File too large" in done.stderr
    assert not list(tmp_path.iterdir())


def test_interrupt_leaves_nothing(tmp_path):
    """Ctrl-C while the artifact is being written."""
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_WRONLY))
    except OSError:
        pytest.skip("this file system has no files without a name")
    process = subprocess.Popen([tool("nibble-compile"), TEST_DATA / "demo", "-o", tmp_path / "model", "--precision=int4"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def is_writing():
        for descriptor in os.listdir(f"/proc/{process.pid}/fd"):
            try:
                if os.readlink(f"/proc/{process.pid}/fd/{descriptor}").startswith(str(tmp_path)):
                    return True
            except FileNotFoundError:
                pass
        return False

    try:
        while not is_writing():
            assert process.poll() is None, "it has ended without a look at its output"
        assert interrupt(process)
    finally:
        process.kill()
        process.communicate()
    assert not list(tmp_path.iterdir())


def test_help_and_version():
    assert "Examples" in compile_model("--help").stdout or "examples" in compile_model("--help").stdout
    assert compile_model("--version").stdout.strip()


def test_plan_can_be_edited_and_fed_back(tmp_path):
    """q, k and v of one layer in three formats."""
    import json

    plan_file = tmp_path / "plan.json"
    compile_model(CHECKPOINT, "-o", tmp_path / "a", "--precision=int4", f"--write-plan={plan_file}")
    plan = json.loads(plan_file.read_text())
    assert plan["version"] == 1
    layer = "model.layers.1.self_attn."
    assert plan["tensors"][layer + "q_proj.weight"] == {"format": "int4-g32", "activations": "int8"}
    plan["tensors"][layer + "q_proj.weight"] = {"format": "f32", "activations": "f32"}
    plan["tensors"][layer + "k_proj.weight"] = {"format": "int8-g64", "activations": "int8"}
    plan["tensors"][layer + "v_proj.weight"] = {"format": "int4-g128", "activations": "f32"}
    plan_file.write_text(json.dumps(plan))
    written = tmp_path / "again.json"
    compile_model(CHECKPOINT, "-o", tmp_path / "b", f"--plan={plan_file}", f"--write-plan={written}")
    assert json.loads(written.read_text()) == plan
    run(tmp_path / "b", "logits", "--tokens", CHECKPOINT / "tokens.json", "-o", tmp_path / "l.npy")
