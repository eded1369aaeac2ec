#!/usr/bin/env bash
# From a fresh clone to a model that talks:
#   tools/quickstart.sh                 compiles the demo model of this repository
#   tools/quickstart.sh CHECKPOINT      compiles yours: a Hugging Face folder or a GGUF file
case "${1:-}" in -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;; esac
checkpoint=${1:+$(realpath -- "$1")}
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
checkpoint=${checkpoint:-$NIBBLE_ROOT/test/data/demo}
[ -e "$checkpoint" ] || die "there is no checkpoint $checkpoint"

build --target nibble-compile nibble-run nibble-inspect

artifact=$NIBBLE_ROOT/build/$(basename "${checkpoint%.gguf}")
say "Compiling $checkpoint"
"$NIBBLE_BUILD/bin/nibble-compile" "$checkpoint" -o "$artifact"

ask() {
  say "> $1"
  "$artifact" chat -p "$1" --seed 7 "${@:2}" 2>/dev/null || die "the model did not answer"
  echo
}
ask "What is 12 + 7?" -n 40
ask "Tell me a story about a fox." -n 300

say "Ready in $(elapsed). Try next:"
cat <<END
  $artifact chat                       a conversation
  $artifact generate -p "Once upon a time" -n 100
  $artifact info                       what is inside
  $artifact bench                      how fast it is here
  $NIBBLE_BUILD/bin/nibble-compile --help
END
