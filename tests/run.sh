#!/bin/bash
# Installs what tests need, builds, runs everything, and ends with a line "N passed, N failed".
#
#   sudo tests/run.sh                 all that a change must pass: features unit sim golden e2e asan fuzz arm
#   sudo tests/run.sh asan fuzz ...   some of these parts
#   sudo tests/run.sh machine         an emulated arm64 board: a kernel with cgroup version 2, power cuts, a clock of 1970
#   sudo tests/run.sh fresh           the README's two commands in a fresh minimal root (needs the network)
#   sudo tests/run.sh long            the long campaigns: hundreds of power cuts, kills and full disks, many seeds, minutes of fuzzing, fresh
#   sudo tests/run.sh bench           the figures
#
# Leaves build/ and its caches behind. End-to-end tests run in namespaces of their own, so a quickstart may go on beside them.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=5G  # one cache for all checkouts of this machine
passed=0 failed=0
failures=()

say() { printf '\n== %s\n' "$*"; }
die() { printf 'tests/run.sh: %s\n' "$*" >&2; exit 1; }
((EUID == 0)) || die 'run as root (sudo): containers, namespaces and loop devices need it'

# count NAME COMMAND...: one check is one test.
count() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAILED %s\n' "$name"
  fi
}

# count_gtest NAME BINARY...: each case of a GoogleTest binary is one test; a crash counts as one failure.
count_gtest() {
  local name=$1 log
  shift
  log=$root/build/logs/$name.log
  mkdir -p "$root/build/logs"
  "$@" --gtest_color=no --gtest_brief=0 >"$log" 2>&1
  local status=$? good bad
  good=$(grep -c '^\[       OK \]' "$log")
  bad=$(grep -c '^\[  FAILED  \] [^ ]* (' "$log")
  if ((status != 0 && bad == 0)); then bad=1; fi
  passed=$((passed + good)) failed=$((failed + bad))
  if ((bad > 0)); then
    failures+=("$name")
    printf 'FAILED %s (%d of %d), the end of %s:\n' "$name" "$bad" "$((good + bad))" "$log"
    grep -E -B12 '^\[  FAILED  \] [^ ]* \(' "$log" | tail -n 60
    ((status < 128)) || tail -n 40 "$log"
  else
    printf 'ok %s (%d)\n' "$name" "$good"
  fi
}

configure() { # configure FOLDER CMAKE-ARGUMENTS...
  local folder=$1
  shift
  cmake -S . -B "$folder" -G Ninja "$@" >"$folder.configure.log" 2>&1 || {
    tail -n 40 "$folder.configure.log"
    return 1
  }
}

deps() { toolchains/deps.sh "$1" | tail -n 1; }

build_release() {
  [[ -z ${release_built:-} ]] || return 0
  say 'build: amd64'
  mkdir -p build
  configure build/release -DBRAMBLE_DEPS="$(deps amd64)" -DCMAKE_BUILD_TYPE=MinSizeRel -DBRAMBLE_TESTS=ON || die 'configuring failed'
  ninja -k 20 -C build/release all >build/release.log 2>&1 || {
    grep -E -A12 'error|FAILED' build/release.log | head -n 80
    die 'the build failed; build/release.log has all of it'
  }
  ln -sf release/bramble build/bramble
  release_built=1
}

run_unit() {
  build_release
  say unit
  for binary in build/release/*_test; do count_gtest "$(basename "$binary")" "$binary"; done
}

run_sim() {
  build_release
  say simulation
  for binary in build/release/*_sim; do [[ ! -x $binary ]] || count_gtest "$(basename "$binary")" "$binary"; done
}

# One build for the sanitizers' run of the unit tests and for the fuzzers: clang, with the coverage that libFuzzer steers by.
build_sanitized() {
  [[ -z ${sanitized_built:-} ]] || return 0
  say 'build: address and undefined behaviour sanitizers, fuzzers'
  configure build/sanitized -DBRAMBLE_DEPS="$(deps amd64)" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1' \
    -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 -DBRAMBLE_FUZZ=ON -DBRAMBLE_APP=OFF \
    -DBRAMBLE_SANITIZE=address,undefined,fuzzer-no-link || die 'configuring failed'
  ninja -k 20 -C build/sanitized all fuzzers >build/sanitized.log 2>&1 || {
    grep -E -A12 'error|FAILED' build/sanitized.log | head -n 80
    die 'the sanitizer build failed; build/sanitized.log has all of it'
  }
  export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  sanitized_built=1
}

run_asan() {
  build_sanitized
  say 'unit tests under the sanitizers'
  for binary in build/sanitized/*_test; do count_gtest "asan-$(basename "$binary")" "$binary"; done
}

# The same inputs in every run, so that a change is not refused for what it did not do; FUZZ_SECONDS looks for new ones, and keeps
# what it found.
run_fuzz() {
  build_sanitized
  local binary name corpus how
  if [[ -n ${FUZZ_SECONDS:-} ]]; then say "fuzz: $FUZZ_SECONDS seconds a target"; else say 'fuzz: a fixed seed'; fi
  for binary in build/sanitized/*_fuzz; do
    name=$(basename "$binary")
    corpus=$(find tests/fuzz -type d -path "*/corpus/$name" | head -n 1)
    rm -rf "build/found/seeded/$name"
    mkdir -p "build/found/seeded/$name" "build/found/$name"
    how=(-seed=1 -runs=10000 "build/found/seeded/$name")  # the first folder takes what is found
    if [[ -n ${FUZZ_SECONDS:-} ]]; then how=(-max_total_time="$FUZZ_SECONDS" "build/found/$name"); fi
    count "$name" "$binary" "${how[@]}" -rss_limit_mb=1024 -timeout=10 -print_final_stats=0 -verbosity=0 \
      -artifact_prefix="build/found/$name-" ${corpus:+"$corpus"}
  done
}

build_cross() { # build_cross ARCHITECTURE
  local arch=$1
  configure "build/$arch" -DCMAKE_TOOLCHAIN_FILE="$root/toolchains/$arch.cmake" -DBRAMBLE_DEPS="$(deps "$arch")" \
    -DCMAKE_BUILD_TYPE=MinSizeRel -DBRAMBLE_TESTS=OFF || die "configuring $arch failed"
  ninja -C "build/$arch" bramble >"build/$arch.log" 2>&1 || {
    grep -E -A12 'error|FAILED' "build/$arch.log" | head -n 60
    die "the $arch build failed"
  }
}

run_arm() {
  say 'build: arm64, armhf, armv6'
  toolchains/install-packages.sh cross || die 'packages could not be installed'
  local arch
  for arch in arm64 armhf armv6; do
    build_cross "$arch"
    count "$arch binary" tests/arm/smoke.sh "$arch" "build/$arch/bramble"
  done
}

run_golden() {
  build_release
  say 'golden: recorded answers of upstream'
  count golden tests/golden/run.sh
}

# count_lines NAME COMMAND...: a command that says "ok ..." or "FAILED ..." a test, figures as "board: ...", and "N passed, N failed".
count_lines() {
  local name=$1 log=$root/build/logs/$1.log result
  shift
  "$@" >"$log" 2>&1
  result=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
  grep -E '^(ok|FAILED|board:) ' "$log"
  if [[ -z $result ]]; then
    tail -n 60 "$log"
    failed=$((failed + 1))
    failures+=("$name")
    return
  fi
  passed=$((passed + $(cut -d' ' -f1 <<<"$result"))) failed=$((failed + $(cut -d' ' -f3 <<<"$result")))
  if [[ $(cut -d' ' -f3 <<<"$result") != 0 ]]; then
    failures+=("$name")
    tail -n 100 "$log"
  fi
}

run_e2e() {
  build_release
  say 'end to end'
  count_lines e2e tests/e2e/run.sh
  count_lines lab tests/e2e/run.sh --lab
}

run_machine() {
  say 'build: arm64'
  toolchains/install-packages.sh cross machine || die 'packages could not be installed'
  build_cross arm64
  say 'machine: an emulated arm64 board'
  count_lines machine tests/machine/run.sh
}

run_features() {
  say 'features: each promise has its test'
  count features tests/features.sh
  count one-definition tests/one_definition.py
  count shellcheck shellcheck -x -P SCRIPTDIR tests/run.sh tests/*/*.sh provision/*.sh provision/*/*.sh toolchains/*.sh .ci/run
}

run_fresh() {
  say 'fresh: the two commands in a new minimal root'
  count fresh tests/fresh/run.sh
}

run_bench() {
  build_release
  tests/bench/run.sh
  tests/e2e/run.sh --bench-network
}

run_long() {
  export BRAMBLE_LONG=1 BRAMBLE_SIM_SEEDS=${BRAMBLE_SIM_SEEDS:-2000} FUZZ_SECONDS=${FUZZ_SECONDS:-240}
  run_unit
  run_sim
  run_fuzz
  unset BRAMBLE_LONG BRAMBLE_SIM_SEEDS
  run_fresh
}

parts=("$@")
((${#parts[@]})) || parts=(features unit sim golden e2e asan fuzz arm)
for part in "${parts[@]}"; do
  [[ $part =~ ^(unit|sim|asan|fuzz|golden|e2e|arm|machine|features|fresh|bench|long)$ ]] || die "no part is called $part; see the head of this file"
done
say 'packages and dependencies'
toolchains/install-packages.sh test || die 'packages could not be installed'
mkdir -p build/logs
for part in "${parts[@]}"; do "run_$part"; done

((failed == 0)) || printf '\nfailed: %s\n' "${failures[*]}"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0 && passed > 0))
