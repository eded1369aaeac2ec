"""Every diagnostic of the compiler occurs in a test: the text of each emitError and emitOpError in dialects/ and lib/.

It is the longest literal of the statement that must occur, whole, in some file below test/. What is not tested has a
reason in EXCEPTIONS.
"""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Functions that make diagnostics, and those of ours that pass their argument on to one.
MAKERS = re.compile(r"\b(?:emitError|emitOpError|complain|parseKeyword<\w+>)\s*\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Where only this stands between two literals, they are one text.
JOINT = re.compile(r"\s*(?:<<)?\s*")

# (file, a part of the statement): why no text of it is in a test
PASSED_ON = "the message is that of a Result, which the tests of its library check"
EXCEPTIONS = {
    ("lib/Codegen/CPU/AddProbes.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/ExpandFloats.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/LegalizeDot2.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/LegalizeDot4.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/LegalizeTiles.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/LegalizeLookup.cpp", "found.error().message"): PASSED_ON,
    ("lib/Codegen/CPU/RTToVector.cpp", "found.error().message"): PASSED_ON,
    ("lib/Conversion/LLMToLowbit/AssignFormats.cpp", "file.error().message"): PASSED_ON,
    ("lib/Conversion/LLMToLowbit/AssignFormats.cpp", "known.error().message"): PASSED_ON,
    ("lib/Conversion/LLMToLowbit/AssignFormats.cpp", "result.error().message"): PASSED_ON,
    ("lib/Pipelines/VerifyPhase.cpp", '" after the phase "'): "the end of every message of complain()",
}


def without_comments(text):
    return re.sub(r"^\s*//.*$|(?<=[;{},)])\s+//.*$", "", text, flags=re.M)


def statements(text):
    """(line number, statement) of each call of a maker; its definition is none."""
    for match in MAKERS.finditer(text):
        # The statement ends at the first semicolon outside of quotes.
        end = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^";])*').match(text, match.start()).end()
        statement = text[match.start() : end]
        is_definition = re.search(r"WalkResult\s*$", text[: match.start()])
        if not is_definition:
            yield text.count("\n", 0, match.start()) + 1, statement


def longest_literal(statement):
    texts, end = [], None
    for literal in LITERAL.finditer(statement):
        text = literal[1].replace('\\"', '"')
        if texts and JOINT.fullmatch(statement[end : literal.start()]):
            texts[-1] += text
        else:
            texts.append(text)
        end = literal.end()
    return max(texts, key=len, default="")


def diagnostics():
    for folder in ("dialects", "lib"):
        for path in sorted((ROOT / folder).rglob("*.cpp")):
            name = str(path.relative_to(ROOT))
            for line, statement in statements(without_comments(path.read_text())):
                yield name, line, statement


@pytest.fixture(scope="module")
def texts_of_tests():
    here = pathlib.Path(__file__)
    files = [
        path
        for path in (ROOT / "test").rglob("*")
        if path.suffix in {".mlir", ".test", ".py", ".cpp"} and path != here
    ]
    return "\n".join(path.read_text() for path in files)


def test_statements_are_found():
    """The reader of sources itself: continued literals, quotes, forwarding functions, declarations."""
    source = """
LogicalResult verify(function_ref<InFlightDiagnostic()> emitError, int x);
WalkResult complain(Operation *op, const Twine &what) {
  return emitOpError() << "has; " << x << " lanes and "
                       << "more";
  module.emitError() << "\\"" << phase
                     << "\\" is no phase";
  return complain(op, "is left");
}
"""
    found = [longest_literal(statement) for _, statement in statements(without_comments(source))]
    assert found == [" lanes and more", '" is no phase', "is left"]


def test_every_diagnostic_is_in_a_test(texts_of_tests):
    found, untested, used = 0, [], set()
    for name, line, statement in diagnostics():
        found += 1
        excepted = [key for key in EXCEPTIONS if key[0] == name and key[1] in statement]
        used.update(excepted)
        text = longest_literal(statement).strip()
        if excepted:
            continue
        if len(text) < 6:
            untested.append(f"{name}:{line}: no text of its own: {' '.join(statement.split())}")
        elif text not in texts_of_tests:
            untested.append(f"{name}:{line}: {text}")
    assert found > 60, "the reader of sources finds too few diagnostics"
    assert not untested, "these diagnostics are in no test:\n" + "\n".join(untested)
    assert used == set(EXCEPTIONS), f"exceptions that nothing needs any more: {set(EXCEPTIONS) - used}"
