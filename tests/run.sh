#!/usr/bin/env bash
# All checks and tests of Bandmaster, one after the other, and one plain line at the end.
#
#   bash tests/run.sh                format, lints, all tests, the tests in the documentation
#   bash tests/run.sh --soak         the same with more cases: property tests and kills go on for minutes, and sweeps run on
#                                    Slurm clusters that are set up otherwise
#   bash tests/run.sh --no-install   install nothing; say what is missing
#
# On Debian and Ubuntu, as root, it installs what the tests need. Elsewhere it says what to install. A Slurm cluster is
# started for the tests and ended with them (docs/testbed.md); that needs root and Debian's packages: where there is no apt
# the tests on Slurm are not run, and it says so. It ends with 'N passed, N failed', and with exit code 1 if anything failed.
set -euo pipefail

# The programs that tests start, each with its package on Debian.
TOOLS=(cc:build-essential python3:python3 sqlite3:sqlite3 jq:jq git:git mkfs.ext4:e2fsprogs losetup:mount setpriv:util-linux awk:mawk
  shellcheck:shellcheck)

# What runs on the Slurm cluster, which bears one test at a time: programs of bandmaster-tests, and a test elsewhere that goes
# by its name. The same stand in .config/nextest.toml.
SLURM_PROGRAMS=(cluster causes_on_slurm slots_on_slurm sweeps_on_slurm)
SLURM_RULES=slurm_keeps_every_rule

passed=0
failed=0
failures=()
clusters=
slurm=yes

main() {
  local soak=no install=yes
  for option in "$@"; do
    case "$option" in
      --soak) soak=yes ;;
      --no-install) install=no ;;
      -h | --help) sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; exit 0 ;;
      *) printf 'tests/run.sh: unknown option %s; there are --soak, --no-install and --help\n' "$option" >&2; exit 2 ;;
    esac
  done
  cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
  prepare "$install"
  if [ "$soak" = yes ]; then
    export PROPTEST_CASES=4096 BANDMASTER_SOAK=1
  fi
  logs=$(mktemp -d)
  trap leave EXIT

  check "format" cargo fmt --all --check
  check "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
  check "shell scripts" shell_scripts
  # Before the tests: some of them start the programs.
  check "build" cargo build --workspace --bins --locked
  # Programs that can be killed at named places, apart from those that people get.
  local crashing=(--features "bandmaster/failpoints,bandmaster-launch/failpoints" --locked)
  check "build with crash points" cargo build -p bandmaster -p bandmaster-launch "${crashing[@]}" --target-dir target/crash
  export BANDMASTER_CRASHING=$PWD/target/crash/debug
  [ "$slurm" = no ] || check "a Slurm cluster" start_cluster
  if cargo nextest --version > /dev/null 2>&1; then
    with_nextest "$soak"
  else
    with_libtest "$soak"
  fi
  tests "crash points" libtest_counts cargo test -p bandmaster-journal -p bandmaster-launch \
    --features bandmaster-journal/failpoints,bandmaster-launch/failpoints --locked --tests --no-fail-fast --target-dir target/crash -- crash
  tests "documentation" libtest_counts cargo test --workspace --locked --doc --no-fail-fast
  finish
}

# Tests side by side, but for those on Slurm, and what hangs is ended: .config/nextest.toml.
with_nextest() {
  local chosen=()
  [ "$slurm" = yes ] || chosen=(-E "not (package(bandmaster-tests) & binary(/^cluster\$|_on_slurm\$/) | test(=$SLURM_RULES))")
  tests "tests" nextest_counts cargo nextest run --workspace --locked --no-fail-fast "${chosen[@]}"
  # Elsewhere ignored tests are those that another test runs inside the cluster.
  [ "$1-$slurm" != yes-yes ] ||
    tests "sites" nextest_counts cargo nextest run -p bandmaster-tests --locked --run-ignored only --no-fail-fast
}

with_libtest() {
  local options=(--locked --no-fail-fast) others=() programs=()
  mapfile -t others < <(other_programs)
  tests "tests" libtest_counts cargo test --workspace --exclude bandmaster-tests --tests "${options[@]}" -- --skip "$SLURM_RULES"
  tests "end-to-end tests" libtest_counts cargo test -p bandmaster-tests --lib "${others[@]}" "${options[@]}"
  [ "$slurm" = yes ] || return 0
  mapfile -t programs < <(printf -- '--test\n%s\n' "${SLURM_PROGRAMS[@]}")
  tests "tests on Slurm" libtest_counts timeout -k 60 5400 \
    cargo test -p bandmaster-tests "${programs[@]}" "${options[@]}" -- --test-threads=1
  tests "rules on Slurm" libtest_counts timeout -k 60 600 cargo test -p bandmaster --test cluster "${options[@]}" -- "$SLURM_RULES"
  [ "$1" = no ] || tests "sites" libtest_counts timeout -k 60 3600 \
    cargo test -p bandmaster-tests "${programs[@]}" "${options[@]}" -- --ignored --test-threads=1
}

# The programs of bandmaster-tests that need no cluster, as cargo's options.
other_programs() {
  local file name
  for file in tests/tests/*.rs tests/tests/*/main.rs; do
    name=${file#tests/tests/}
    name=${name%/main.rs}
    name=${name%.rs}
    [[ " ${SLURM_PROGRAMS[*]} " == *" $name "* ]] || printf -- '--test\n%s\n' "$name"
  done
}

# One for all tests, in a directory of this run. Where it does not start, the tests that need it say so themselves.
start_cluster() {
  clusters=$(mktemp -d /var/tmp/bandmaster-tests.XXXXXX)
  chmod 755 "$clusters"
  export BANDMASTER_CLUSTER_ROOT=$clusters
  bash tests/cluster up tests < /dev/null && export BANDMASTER_TEST_CLUSTER=tests
}

# Also of clusters that tests started and could not end.
leave() {
  rm -rf -- "$logs"
  if [ -d "$clusters" ]; then
    bash tests/cluster down --all
  fi
}

# What passes or fails as a whole. It is no test, so that it counts only when it fails.
check() {
  local name=$1 status=0
  shift
  announce "$name" "$@"
  "$@" || status=$?
  if [ "$status" -ne 0 ]; then
    failed=$((failed + 1))
    failures+=("$name")
  fi
}

# A test runner: its own counts are added up. One that fails without a failed test (it does not compile, say) is one failure.
tests() {
  local name=$1 counts=$2 status=0 good bad
  shift 2
  announce "$name" "$@"
  "$@" 2>&1 | tee "$logs/output" || status=$?
  read -r good bad < <(sed 's/\x1b\[[0-9;]*m//g' "$logs/output" | "$counts")
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
    bad=1
  elif [ "$status" -eq 0 ] && [ "$good" -eq 0 ] && [ "$name" = tests ]; then
    printf 'tests/run.sh: no test ran, or the runner says so in words that are not known here\n' >&2
    bad=1
  fi
  passed=$((passed + good))
  failed=$((failed + bad))
  if [ "$bad" -gt 0 ]; then
    failures+=("$name")
  fi
}

# "test result: ok. 28 passed; 0 failed; 0 ignored; …", once for each program.
libtest_counts() {
  awk '/^test result: / { for (i = 2; i <= NF; i++) { if ($i == "passed;") good += $(i - 1); if ($i == "failed;") bad += $(i - 1) } }
    END { print good + 0, bad + 0 }'
}

# "     Summary [  12.3s] 38 tests run: 36 passed (1 slow), 1 failed, 1 timed out, 2 skipped"
nextest_counts() {
  awk '$1 == "Summary" { for (i = 2; i <= NF; i++) {
      if ($i ~ /^passed/) good = $(i - 1)
      if ($i ~ /^failed/) bad += $(i - 1)
      if ($i == "exec") bad += $(i - 1)
      if ($i == "timed") bad += $(i - 1)
    } }
    END { print good + 0, bad + 0 }'
}

shell_scripts() {
  # The checkout may be somebody else's, of whom git would not take a word as root.
  git -c safe.directory='*' ls-files -z -- '*.sh' '*.sbatch' .ci/run tests/cluster | xargs -0 shellcheck -x
}

# What is missing is installed where that is possible, and named where it is not.
prepare() {
  local missing=() tool
  PATH=$PATH:${HOME:-/root}/.cargo/bin:/usr/sbin:/sbin
  if ! command -v cargo > /dev/null; then
    printf 'tests/run.sh: there is no Rust toolchain (cargo is not on PATH): install one from https://rustup.rs\n' >&2
    exit 1
  fi
  for tool in "${TOOLS[@]}"; do
    command -v "${tool%%:*}" > /dev/null || missing+=("${tool#*:}")
  done
  if command -v apt-get > /dev/null; then
    mapfile -t -O "${#missing[@]}" missing < <(bash tests/cluster packages --missing)
  else
    slurm=no
    say_not_run
  fi
  if [ "${#missing[@]}" -eq 0 ]; then
    return
  fi
  if [ "$1" = yes ] && [ "$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then
    printf '== installing %s\n' "${missing[*]}" >&2
    # It keeps Debian from starting Slurm's daemons.
    bash tests/cluster packages --install "${missing[@]}" < /dev/null
    return
  fi
  printf 'tests/run.sh: the tests need programs that are missing here. Their packages on Debian and Ubuntu:\n' >&2
  printf '  sudo apt-get install %s\n' "${missing[*]}" >&2
  printf 'Elsewhere install what has these programs: %s\n' "${TOOLS[*]%%:*}" >&2
  exit 1
}

say_not_run() {
  printf 'the tests on Slurm need packages of Debian, and there is no apt-get here: not run\n' >&2
}

announce() {
  printf '\n== %s: %s\n' "$1" "${*:2}" >&2
}

finish() {
  if [ "${#failures[@]}" -gt 0 ]; then
    printf '\nfailed: %s\n' "$(IFS=,; printf '%s' "${failures[*]}" | sed 's/,/, /g')"
  fi
  [ "$slurm" = yes ] || say_not_run
  printf '%s passed, %s failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

main "$@"
