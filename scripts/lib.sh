# shellcheck shell=bash
# Functions for the scripts of this folder. They source it; it is never run.
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   need_packages "${BUILD_PACKAGES[@]}"
#   build release                       # configure and build everything
#   build asan firebreak_tests          # ... or only some targets
#
# After sourcing, the working directory is the root of the repository.

# The path of the calling script, taken before the folder changes.
SELF=$(realpath -m "$0")
# shellcheck disable=SC2034  # used by those who source this file
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1

# Debian packages, by what they are for. The gRPC packages bring the headers of
# OpenSSL, zlib, c-ares and re2 along.
# shellcheck disable=SC2034
BUILD_PACKAGES=(cmake ninja-build g++ pkg-config ccache libgrpc++-dev
  protobuf-compiler-grpc protobuf-compiler libprotobuf-dev libabsl-dev
  libgtest-dev libgmock-dev libcli11-dev libsqlite3-dev prometheus-cpp-dev
  nlohmann-json3-dev libcpp-httplib-dev)
# shellcheck disable=SC2034
LINT_PACKAGES=(clang-format clang-tidy)
# With what its sanitizers and libFuzzer need, which clang only recommends; and the
# linker of the same project, which each build of tests uses if it is there.
# shellcheck disable=SC2034
CLANG_PACKAGES=(clang libclang-rt-dev lld)
# shellcheck disable=SC2034
BENCH_PACKAGES=(libbenchmark-dev valgrind gnuplot-nox)
# The reference of the public headers.
# shellcheck disable=SC2034
DOCS_PACKAGES=(doxygen)
# For tests of packet loss, which need root.
# shellcheck disable=SC2034
CHAOS_PACKAGES=(nftables iproute2)

# Shells for which firebreakctl has completion. Without one its test is skipped.
# shellcheck disable=SC2034
SHELL_PACKAGES=(zsh fish)

# For building the Debian packages.
# shellcheck disable=SC2034
DEB_PACKAGES=(dpkg-dev file help2man man-db)

# A browser, for the tests of the page. Without it they are skipped.
# shellcheck disable=SC2034
PAGE_PACKAGES=(chromium python3-websocket)

# A gRPC client in another language. Without it its tests are skipped.
# shellcheck disable=SC2034
PYTHON_PACKAGES=(python3-grpcio python3-protobuf)

say() { printf '==> %s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${SELF##*/}" "$*" >&2
  exit 1
}

# Prints the header comment of the calling script, which is its --help: the
# lines from the second one to the first line that is not a comment.
print_help() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$SELF"; }

# quietly LABEL COMMAND...: prints one line when the command starts and one when
# it ends, and its output only if it fails.
quietly() {
  local label=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  say "$label"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    fail "failed: $label"
  fi
  rm -f "$log"
  say "$label: done in $((SECONDS - start)) s"
}

# need_packages NAME...: installs the missing packages if run by root.
# Otherwise it fails and says which are missing and how to install them.
need_packages() {
  local missing=() name
  for name in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == \
      installed ]] || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    {
      echo "These Debian packages are missing: ${missing[*]}"
      echo "Install them and run this again:"
      echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
    } >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  quietly "updating the package lists" apt-get update
  quietly "installing ${missing[*]}" \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# unpack_package NAME INTO: unpacks a Debian package into INTO, without
# installing it, so that no daemon of the package is started. For optional
# tests: if the package is not available, it prints that and fails.
unpack_package() {
  local name=$1 into=$2 work
  [[ ! -e $into/.unpacked ]] || return 0
  work=$(mktemp -d)
  # The user _apt downloads, and cannot enter a folder that only root can.
  chmod 755 "$work"
  if ! (cd "$work" && apt-get download "$name" &&
    dpkg-deb -x "$name"_*.deb files) >"$work/log" 2>&1 </dev/null; then
    say "no $name in $into: $(tail -n 1 "$work/log")"
    rm -rf "$work"
    return 1
  fi
  mkdir -p "$into"
  cp -a "$work/files/." "$into"
  touch "$into/.unpacked"
  rm -rf "$work"
  say "$into: $name unpacked"
}

# npm_packages FROM INTO: installs the packages of FROM/package-lock.json in
# INTO/node_modules. For optional tests: if Node.js or the network is missing,
# it prints that and fails.
npm_packages() {
  local from=$1 into=$2 log
  # Some packages of nodejs contain npm.
  if ! command -v npm >/dev/null && [[ $(id -u) == 0 ]]; then
    (need_packages nodejs npm) || true
  fi
  if ! command -v npm >/dev/null; then
    say "no npm packages in $into: install nodejs and npm"
    return 1
  fi
  cmp -s "$from/package-lock.json" "$into/package-lock.json" &&
    [[ -e $into/node_modules/.package-lock.json ]] && return 0
  mkdir -p "$into"
  cp "$from"/package{,-lock}.json "$into"
  log=$into/npm-ci.log
  if ! (cd "$into" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund \
    --prefer-offline) >"$log" 2>&1 </dev/null; then
    rm -rf "$into/node_modules"
    say "no npm packages in $into: npm ci failed, see $log"
    return 1
  fi
  say "$into: npm packages installed"
}

# Prints the number of parallel compilers: one per core, but no more than fit
# into memory. A file that includes gRPC takes up to 1.5 GB with a sanitizer.
# FIREBREAK_JOBS overrides it.
jobs_count() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  ((memory >= 1)) || memory=1
  echo "${FIREBREAK_JOBS:-$((cores < memory ? cores : memory))}"
}

# configure PRESET [CMAKE_ARG...]
configure() {
  local preset=$1
  shift
  quietly "configuring $preset" cmake --preset "$preset" "$@"
}

# build_dir DIR [TARGET...]: builds a configured folder. Ninja's own lines show
# the progress.
build_dir() {
  local dir=$1 start=$SECONDS
  shift
  say "building ${*:-everything} in $dir with $(jobs_count) jobs"
  NINJA_STATUS="[%f/%t %es] " \
    cmake --build "$dir" --parallel "$(jobs_count)" ${1:+--target "$@"} ||
    fail "building ${*:-everything} in $dir failed"
  say "$dir: built in $((SECONDS - start)) s"
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  configure "$preset"
  build_dir "build/$preset" "$@"
}
