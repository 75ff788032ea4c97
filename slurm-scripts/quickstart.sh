#!/usr/bin/env bash
# From a fresh clone to a finished sweep: builds Bandmaster, trains the digits example, shows what came out.
#
#   bash slurm-scripts/quickstart.sh [CAMPAIGN]      the directory for the results, ./campaign unless given
#
# It needs a Rust toolchain and a C compiler, and installs nothing. Run again, it builds only what changed, and starts a
# new sweep beside the ones that are finished; one that was interrupted goes on where it stood.
set -euo pipefail

main() {
  local here campaign target bandmaster
  campaign=$(realpath -m -- "${1:-${BANDMASTER_CAMPAIGN:-campaign}}")
  here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
  cd -- "$here"
  require_tools

  title "Building (some minutes the first time)"
  cargo build --release --locked
  # sweep.toml names the program by its place in the usual target directory.
  target=$(cargo metadata --format-version 1 --no-deps --locked | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
  if [ "$target" != "$here/target" ]; then
    fail "cargo builds into $target, and examples/digits/sweep.toml looks in target/ of this clone." \
      "Unset CARGO_TARGET_DIR (or build.target-dir in cargo's configuration) and run this again."
  fi
  bandmaster=target/release/bandmaster

  title "Training: examples/digits/sweep.toml"
  local status=0
  "$bandmaster" run examples/digits/sweep.toml --local --campaign "$campaign" || status=$?
  # 9: finished, and some trials failed. What succeeded can be shown.
  if [ "$status" -ne 0 ] && [ "$status" -ne 9 ]; then
    fail "The sweep did not finish (exit code $status)." "What it did so far is kept; run this again and it goes on."
  fi

  title "Rungs"
  "$bandmaster" rungs digits --campaign "$campaign"
  title "The best trial"
  "$bandmaster" best digits --campaign "$campaign"
  accuracy "$bandmaster" "$campaign"
  title "Where the results lie"
  printf 'The ledger is %s\n' "$campaign/ledger.db"
  printf 'Open it with sqlite3, or ask: %s trials digits --campaign %q\n' "$bandmaster" "$campaign"
  return "$status"
}

# The best trial's validation accuracy, in words.
accuracy() {
  local best found
  best=$("$1" best digits --campaign "$2" --format csv -h -o name)
  found=$("$1" metrics "$best" --campaign "$2" --metric val_accuracy --format csv -h -o value | tail -n 1)
  if [ -z "$found" ]; then
    fail "No accuracy came with the best trial." "Look at it: $1 show digits --campaign $2"
  fi
  awk -v part="$found" 'BEGIN { printf "It reads %.1f %% of the 360 digits that it never saw.\n", 100 * part }'
}

require_tools() {
  local needed found
  PATH=$PATH:${HOME:-/root}/.cargo/bin
  if ! command -v cargo > /dev/null; then
    fail "There is no Rust toolchain (cargo is not on PATH)." \
      "Install one from https://rustup.rs, open a new shell, and run this again. A module of your site may have it too: module avail rust"
  fi
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  found=$(cargo --version | cut -d ' ' -f 2)
  if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    fail "This Rust toolchain is $found, and Bandmaster needs $needed or newer." \
      "Update it with: rustup update (or install a newer one from https://rustup.rs)"
  fi
  if ! command -v "${CC:-cc}" > /dev/null; then
    fail "There is no C compiler (${CC:-cc} is not on PATH); SQLite is built with it." "Install one: $(install_compiler)"
  fi
}

# How this distribution installs a C compiler.
install_compiler() {
  if command -v apt-get > /dev/null; then
    echo "sudo apt-get install build-essential"
  elif command -v dnf > /dev/null; then
    echo "sudo dnf install gcc"
  elif command -v zypper > /dev/null; then
    echo "sudo zypper install gcc"
  elif command -v pacman > /dev/null; then
    echo "sudo pacman -S gcc"
  elif command -v apk > /dev/null; then
    echo "sudo apk add build-base"
  elif command -v xcode-select > /dev/null; then
    echo "xcode-select --install"
  else
    echo "gcc or clang, from your system's packages"
  fi
}

title() {
  printf '\n== %s\n\n' "$1" >&2
}

fail() {
  printf '\nquickstart: %s\n' "$1" >&2
  shift
  printf '  %s\n' "$@" >&2
  exit 1
}

main "$@"
