#!/usr/bin/env bash
# A trial in ten lines: gradient descent with momentum down Rosenbrock's valley. One unit of the resource is 100 steps.
set -euo pipefail; export LC_ALL=C # numbers have a point
lr=$1 momentum=$2 at=0 state="-1.2 1 0 0" # x, y and their velocities
if [ -n "${BANDMASTER_RESUME_FROM:-}" ]; then read -r at state < "$BANDMASTER_RESUME_FROM/state"; fi
from=$at
while [ "$at" -lt "$BANDMASTER_TARGET" ] && [ ! -e "$BANDMASTER_STOP" ]; do
  state=$(awk -v lr="$lr" -v momentum="$momentum" -f descend.awk <<< "$state") at=$((at + 1))
done
bandmaster-launch report loss="$(awk '{ printf "%.17g", 100 * ($2 - $1 ^ 2) ^ 2 + (1 - $1) ^ 2 }' <<< "$state")" --resource "$at"
if [ "$at" -eq "$from" ]; then exit; fi # nothing new to keep
cd "$BANDMASTER_CHECKPOINTS" && mkdir tmp && echo "$at $state" > tmp/state && sync tmp/state && mv tmp "$at.ready"
for _ in {1..3000}; do if [ -e "$at.published" ] || [ -e "$at.refused" ]; then break; else sleep 0.02; fi; done
