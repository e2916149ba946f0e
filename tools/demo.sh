#!/bin/bash
# demo.sh [MODEL]: compresses and restores a model, compares every byte, and measures zipnn, zstd and cp side by side.
# Without MODEL it writes a synthetic one. Works in build/demo and leaves nothing large behind.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

model=${1:-}
zipnn=$PWD/build/zipnn
dir=build/demo
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT

if [ -z "$model" ]; then
    cmake --build build --target make_model >/dev/null
    model=$dir/synthetic.safetensors
    build/tools/make_model "$model"
    kind="synthetic: Gaussian rows with the tensors of a small Llama in bf16; try MODEL=FILE for a real one"
elif [ -f "$model" ]; then
    kind="yours"
else
    echo "demo: no such file: $model" >&2
    exit 1
fi

size=$(stat -L -c %s "$model")
[ "$size" -gt 0 ] || { echo "demo: $model is empty" >&2 && exit 1; }
room=$(df --output=avail -B1 "$dir" | tail -n 1)
if [ "$room" -lt $((size * 3)) ]; then
    echo "demo: $dir needs $((size * 3 / 1000000)) MB for copies of this model, $((room / 1000000)) MB are free" >&2
    exit 1
fi
rounds=3
[ "$size" -lt 8000000000 ] || rounds=1

# seconds COMMAND...: prints how long it took. The copy before puts the model into the page cache and makes pages free that
# the system has just used: in a virtual machine other pages may have to be fetched from the host first.
seconds() {
    cp "$model" "$dir/warm"
    rm "$dir/warm"
    local start=$EPOCHREALTIME
    "$@" >/dev/null
    awk "BEGIN { print $EPOCHREALTIME - $start }"
}

# row NAME SIZE: one line of the table from the times of its rounds, median of each.
row() {
    local c d
    c=$(sort -g "$dir/$1.c" | sed -n "$(((rounds + 1) / 2))p")
    d=$(sort -g "$dir/$1.d" | sed -n "$(((rounds + 1) / 2))p")
    awk -v n="$3" -v s="$2" -v o="$size" -v c="$c" -v d="$d" \
        'BEGIN { printf "%-14s %7.2f %% %11.2f GB/s %8.2f GB/s\n", n, 100 * s / o, o / c / 1e9, o / d / 1e9 }'
}

echo
echo "$model: $size bytes ($kind)"
for _ in $(seq "$rounds"); do
    rm -f "$dir/a" "$dir/b"
    seconds cp "$model" "$dir/a" >>"$dir/cp.c"
    seconds cp "$dir/a" "$dir/b" >>"$dir/cp.d"
    rm -f "$dir/a" "$dir/b"
    seconds zstd -q -3 -T0 "$model" -o "$dir/a" >>"$dir/zstd.c"
    seconds zstd -q -d "$dir/a" -o "$dir/b" >>"$dir/zstd.d"
    zstd_size=$(stat -c %s "$dir/a")
    rm -f "$dir/a" "$dir/b"
    seconds "$zipnn" -q "$model" -o "$dir/a" >>"$dir/zipnn.c"
    seconds "$zipnn" -q -d "$dir/a" -o "$dir/b" >>"$dir/zipnn.d"
    zipnn_size=$(stat -c %s "$dir/a")
done

echo
echo "$(nproc) processors, file to file through the page cache, median of $rounds"
echo
printf '%-14s %9s %16s %13s\n' method "size" "compress" "decompress"
row zipnn "$zipnn_size" zipnn
row zstd "$zstd_size" "zstd -3 -T0"
row cp "$size" cp
echo
original=$(sha256sum <"$model" | cut -c 1-64)
restored=$(sha256sum <"$dir/b" | cut -c 1-64)
echo "SHA-256 original  $original"
echo "SHA-256 restored  $restored"
if [ "$original" = "$restored" ] && cmp -s "$model" "$dir/b"; then
    echo "identical"
else
    echo "DIFFERENT" >&2
    exit 1
fi
