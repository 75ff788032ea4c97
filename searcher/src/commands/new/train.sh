#!/bin/sh
# A trial: a network with one hidden layer learns a noisy curve by gradient descent with momentum.
#
# What Bandmaster wants of a trial, and where it stands below:
#   train up to --epochs, an absolute number, and go on from a checkpoint            (1)
#   append a JSON line to $BANDMASTER_REPORT after each epoch                        (2)
#   make a directory in $BANDMASTER_CHECKPOINTS, then rename it to <epoch>.ready     (3)
#   checkpoint and leave when the file $BANDMASTER_STOP appears                      (4)
# It runs without Bandmaster too: sh train.sh --lr 0.1 --momentum 0.5 --hidden 8 --epochs 5
set -eu
export LC_ALL=C

lr='' momentum='' hidden='' epochs='' resume=''
while [ $# -gt 0 ]; do
    case $1 in
        --lr) lr=$2 ;;
        --momentum) momentum=$2 ;;
        --hidden) hidden=$2 ;;
        --epochs) epochs=$2 ;;
        --resume) resume=$2 ;;
        *) echo "train.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
: "${lr:?--lr is missing}" "${momentum:?--momentum is missing}" "${hidden:?--hidden is missing}" "${epochs:?--epochs is missing}"
seed=${BANDMASTER_SEED:-1}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
epoch=0
if [ -n "$resume" ]; then                                                            # (1)
    cp "$resume/weights" "$work/weights"
    epoch=$(cat "$resume/epoch")
fi

# One epoch: reads the weights (none at first), writes them, prints the loss on points that it does not train with.
train_one_epoch() {
    awk -v lr="$lr" -v momentum="$momentum" -v hidden="$hidden" -v seed="$seed" -v file="$work/weights" '
    function draw() { state = (state * 16807) % 2147483647; return state / 2147483647 }
    function squash(x) { if (x > 20) return 1; if (x < -20) return -1; x = exp(2 * x); return (x - 1) / (x + 1) }
    function target(x) { return 0.8 * sin(3 * x) + 0.3 * cos(7 * x) }
    function predict(x,    j, y) {
        y = w[3 * hidden]
        for (j = 0; j < hidden; j++) { h[j] = squash(w[3 * j] * x + w[3 * j + 1]); y += w[3 * j + 2] * h[j] }
        return y
    }
    function clip(x) { return x > 1 ? 1 : x < -1 ? -1 : x }
    function learn(i, gradient) { v[i] = momentum * v[i] - lr * clip(gradient); w[i] += v[i] }
    BEGIN {
        size = 3 * hidden + 1; points = 128
        # The same data in all trials.
        state = 20240229
        for (i = 0; i < points; i++) { x[i] = 2 * draw() - 1; y[i] = target(x[i]) + 0.2 * (draw() - 0.5) }
        state = seed % 2147483646 + 1
        for (i = 0; i < size; i++) { w[i] = 3 * (draw() - 0.5); v[i] = 0 }
        for (i = 0; (getline line < file) > 0; i++) { split(line, field, " "); w[i] = field[1] + 0; v[i] = field[2] + 0 }
        close(file)
        for (i = 0; i < points; i += 2) {
            error = predict(x[i]) - y[i]
            for (j = 0; j < hidden; j++) {
                back = error * w[3 * j + 2] * (1 - h[j] * h[j])
                learn(3 * j + 2, error * h[j]); learn(3 * j, back * x[i]); learn(3 * j + 1, back)
            }
            learn(3 * hidden, error)
        }
        for (i = 0; i < size; i++) printf "%.17g %.17g\n", w[i], v[i] > file
        for (i = 1; i < points; i += 2) { error = predict(x[i]) - y[i]; loss += error * error / (points / 2) }
        printf "%.17g\n", loss
    }'
}

checkpoint() {                                                                       # (3)
    [ -n "${BANDMASTER_CHECKPOINTS:-}" ] || return 0
    mkdir "$BANDMASTER_CHECKPOINTS/making.$epoch"
    cp "$work/weights" "$BANDMASTER_CHECKPOINTS/making.$epoch/weights"
    echo "$epoch" > "$BANDMASTER_CHECKPOINTS/making.$epoch/epoch"
    mv "$BANDMASTER_CHECKPOINTS/making.$epoch" "$BANDMASTER_CHECKPOINTS/$epoch.ready"
}

report() {                                                                           # (2)
    if [ -n "${BANDMASTER_REPORT:-}" ]; then echo "$1" >> "$BANDMASTER_REPORT"; else echo "$1"; fi
}

while [ "$epoch" -lt "$epochs" ]; do
    if [ -n "${BANDMASTER_STOP:-}" ] && [ -e "$BANDMASTER_STOP" ]; then              # (4)
        [ "$epoch" -eq 0 ] || checkpoint
        exit 0
    fi
    loss=$(train_one_epoch)
    epoch=$((epoch + 1))
    report "{\"resource\": $epoch, \"val_loss\": $loss}"
done
checkpoint
