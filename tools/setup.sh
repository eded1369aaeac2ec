# Sourced by quickstart.sh and check.sh: installs what is missing, configures and builds build/release.
# Runs as root or with sudo; does nothing twice.
set -euo pipefail
cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")"
cd ..
NIBBLE_ROOT=$PWD
NIBBLE_BUILD=$NIBBLE_ROOT/build/release

packages=(
  llvm-22-dev libmlir-22-dev mlir-22-tools clang-22 lld-22 liblld-22-dev libclang-rt-22-dev clang-format-22
  cmake ninja-build g++ libc6-dev
  nlohmann-json3-dev libexpected-dev libcli11-dev libpcre2-dev libutf8proc-dev libmd-dev libgtest-dev libgmock-dev libboost-dev
  qemu-user g++-aarch64-linux-gnu libc6-dev-arm64-cross
  python3 python3-venv chromium chromium-driver
)

say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf '\nerror: %s\n' "$*" >&2; exit 1; }

# What takes a while says how long it took, here or in the closing words.
started=$SECONDS
elapsed() { printf '%d min %02d s' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)); }

install_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "this system has no apt-get, and Nibble's scripts know no other package manager.
Install these Debian packages' counterparts by hand, then run the script again:
  ${packages[*]}
LLVM and MLIR must be 22.1, with CMake files for find_package(MLIR 22.1)."
  fi
  local missing=() package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "installing ${missing[*]} needs root: run as root, or install sudo"
    sudo=(sudo)
  fi
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  "${sudo[@]}" apt-get update -q >&2 || die "apt-get update failed; see above"
  for package in "${missing[@]}"; do
    # Not piped into grep -q, which would stop reading and so end apt-cache with an error.
    [[ $(apt-cache policy "$package" 2>/dev/null) == *'Candidate: '[^\(]* ]] ||
      die "this system's package sources have no $package.
LLVM's project has an archive of Debian and Ubuntu packages with version 22: add it to apt's sources, then run again."
  done
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]}; see above"
}

build() {
  say "Building (the first time takes some minutes)"
  cmake --preset release >"$NIBBLE_ROOT/build/configure.log" 2>&1 ||
    { cat "$NIBBLE_ROOT/build/configure.log" >&2; die "configuring failed; see above"; }
  NINJA_STATUS='[%f/%t, %e s] ' cmake --build --preset release "$@" >&2 || die "building failed; see above"
}

mkdir -p "$NIBBLE_ROOT/build"
install_packages
