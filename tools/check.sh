#!/usr/bin/env bash
# Builds everything and runs every test: lit, unit, integration, Python, and the runtime and importers once more under
# AddressSanitizer and UndefinedBehaviorSanitizer, with libFuzzer's harnesses, and the server under ThreadSanitizer. Ends
# with a count.
#   tools/check.sh
# Third-party models and texts are found by the environment variable NIBBLE_DATA; tests that need them are skipped without.
case "${1:-}" in -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;; esac
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
build

reports=$NIBBLE_ROOT/build/reports
rm -rf "$reports"
mkdir -p "$reports"
failures=0

# Runs a test program; a failure is counted, and the rest goes on.
step() {
  local name=$1
  shift
  "$@" || { failures=$((failures + 1)); printf 'FAILED: %s\n' "$name" >&2; }
}

say "Formatting"
step clang-format bash -c "git ls-files '*.cpp' '*.h' | xargs clang-format-22 --dry-run -Werror"

say "Dialects and passes (lit)"
step lit /usr/lib/llvm-22/bin/lit -q --xunit-xml-output="$reports/lit.xml" "$NIBBLE_BUILD/test"

# One half of a test program's tests: shard, program, label.
half() {
  GTEST_TOTAL_SHARDS=2 GTEST_SHARD_INDEX=$1 "$2" --gtest_brief=1 \
    --gtest_output="xml:$reports/$3-$(basename "$2")-$1.xml"
}
both_halves() { # program, label
  local first
  half 0 "$@" &
  first=$!
  half 1 "$@" && wait "$first" || { wait "$first"; return 1; }
}
unit_tests() { # folder, label
  local test
  for test in "$1"/unit/*Test; do
    step "$(basename "$test")" both_halves "$test" "$2"
  done
}
say "Unit tests"
unit_tests "$NIBBLE_BUILD" unit

# These tests keep one core busy; the sanitized builds take what is left.
sanitized_log=$NIBBLE_ROOT/build/sanitized.log
nice -n 10 bash -ec 'cmake --preset sanitize -DNIBBLE_COMPILER=OFF
  cmake --build --preset sanitize
  cmake --preset thread
  cmake --build --preset thread --target nibble-run ServiceTest HTTPTest TableCacheTest GrammarCacheTest' >"$sanitized_log" 2>&1 &
sanitized=$!

say "Integration and Python tests"
venv=$NIBBLE_ROOT/build/venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
requirements=$NIBBLE_ROOT/python/requirements-test.txt
if ! cmp -s "$requirements" "$venv/installed.txt"; then
  if "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" >&2; then
    cp "$requirements" "$venv/installed.txt"
  else
    echo "warning: not all of $requirements could be installed; tests that need the rest are skipped" >&2
  fi
fi
NIBBLE_BUILD=$NIBBLE_BUILD step pytest "$venv/bin/python" -m pytest -q -rs \
  --junitxml="$reports/pytest.xml" test/Integration python/tests

say "Runtime and importers under AddressSanitizer and UndefinedBehaviorSanitizer"
wait "$sanitized" || { cat "$sanitized_log" >&2; die "the sanitized builds failed; see above"; }
unit_tests "$NIBBLE_ROOT/build/sanitize" sanitize

say "The service, and a server with many clients, under ThreadSanitizer and AddressSanitizer"
unit_tests "$NIBBLE_ROOT/build/thread" thread
for sanitizer in thread sanitize; do
  NIBBLE_BUILD=$NIBBLE_BUILD NIBBLE_RUNTIME=$NIBBLE_ROOT/build/$sanitizer/bin/nibble-run NIBBLE_LOAD_REQUESTS=2000 \
    step "load under $sanitizer" "$venv/bin/python" -m pytest -q --junitxml="$reports/load-$sanitizer.xml" \
    test/Integration/test_serve_load.py
done

say "Fuzzers of everything untrusted, for some seconds each"
step fuzz test/fuzz/run.sh "$NIBBLE_ROOT/build/sanitize" "$reports"

# Every runner has written a report in JUnit's format.
python3 - "$reports" "$failures" <<'END'
import pathlib, sys, xml.etree.ElementTree as xml
passed = failed = skipped = 0
for report in sorted(pathlib.Path(sys.argv[1]).glob("*.xml")):
    for case in xml.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
            print(f"FAILED  {report.stem}: {case.get('classname')}.{case.get('name')}")
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
runners = int(sys.argv[2])
failed = max(failed, runners)  # a runner that crashed wrote no report
print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0 or passed == 0)
END
