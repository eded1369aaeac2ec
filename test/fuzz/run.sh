#!/usr/bin/env bash
# Runs every libFuzzer harness of a sanitized build from its seeds, with a fixed seed and number of runs.
#   test/fuzz/run.sh BUILD REPORTS [RUNS [SECONDS]]
# BUILD is a build folder of the preset sanitize, REPORTS the folder for one JUnit file a harness and for inputs that
# failed. RUNS (6000) and SECONDS (20) bound each harness; to search for hours: RUNS -1 (no bound), SECONDS 3600.
set -euo pipefail
build=$1 reports=$2 runs=${3:-6000} seconds=${4:-20}
here=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
corpus=$build/fuzz/corpus
"$build/fuzz/nibble-fuzz-corpus" "$here/../data" "$corpus"

fuzz() { # harness
  local harness=$1 name found folders options problem
  name=$(basename "$harness" Fuzz)
  found=$build/fuzz/found/$name # what libFuzzer finds worth keeping, for longer searches
  folders=("$found" "$corpus/$name")
  [ -d "$here/corpus/$name" ] && folders+=("$here/corpus/$name")
  options=(-runs="$runs" -max_total_time="$seconds" -seed=1 -timeout=10 -rss_limit_mb=1536 -artifact_prefix="$reports/$name-")
  [ -f "$here/$name.dict" ] && options+=(-dict="$here/$name.dict")
  [ "$seconds" -gt 20 ] || rm -rf "$found"
  mkdir -p "$found" "$corpus/$name"
  problem=""
  if ! "$harness" "${options[@]}" "${folders[@]}" >"$reports/$name.log" 2>&1; then
    problem='<failure message="see the log beside this report"/>'
    tail -n 40 "$reports/$name.log" >&2
  fi
  printf '<testsuite name="fuzz"><testcase classname="fuzz" name="%s">%s</testcase></testsuite>\n' "$name" "$problem" \
    >"$reports/fuzz-$name.xml"
  [ -z "$problem" ]
}

# Two at a time.
failed=0 running=()
for harness in "$build"/fuzz/*Fuzz; do
  fuzz "$harness" &
  running+=($!)
  [ ${#running[@]} -lt 2 ] && continue
  wait "${running[0]}" || failed=1
  running=("${running[@]:1}")
done
for harness in "${running[@]}"; do
  wait "$harness" || failed=1
done
exit $failed
