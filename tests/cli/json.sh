# --json: one valid object per file and line, with the promised members.
. "$(dirname "$0")/cli_lib.sh"
command -v python3 >/dev/null || skip "needs python3"

model 300 m
cp m n.bin

# has MEMBER...: each line is an object with exactly these members, in any order.
has() {
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    members = sorted(json.loads(line))
    assert members == sorted(sys.argv[2:]), members
' "$home/out" "$@" 2>"$home/err" || fail "members: $*"
}
# value EXPRESSION: holds with x as the list of objects.
value() {
    python3 -c '
import json, sys
x = [json.loads(line) for line in open(sys.argv[1])]
assert eval(sys.argv[2]), x
' "$home/out" "$1" 2>"$home/err" || fail "$1"
}

expect 0 zipnn --json m n.bin
has file output original stored n_chunks container level xxh3
value 'len(x) == 2 and x[0]["file"] == "m" and x[0]["output"] == "m.znn" and x[1]["output"] == "n.bin.znn"'
value "x[0]['original'] == $(stat -c %s m) and x[0]['stored'] == $(stat -c %s m.znn) and len(x[0]['xxh3']) == 32"
value 'x[0]["xxh3"] == x[1]["xxh3"]'
value 'all(o["container"] == "safetensors" and o["level"] == 3 for o in x)'
if command -v xxhsum >/dev/null; then
    value "x[0]['xxh3'] == '$(xxhsum -H2 m | cut -d ' ' -f 1)'"
fi

expect 0 zipnn -l --json m.znn n.bin.znn -q
value 'len(x) == 2 and x[0]["n_tensors"] == 2 and x[0]["container"] == "safetensors" and x[0]["level"] == 3'
expect 0 zipnn -lv --json m.znn
has file original stored n_tensors n_left_out n_chunks container level xxh3 tensors
value '[t["name"] for t in x[0]["tensors"]] == ["a.weight", "b"]'
value 'x[0]["tensors"][0]["shape"] == [300, 64] and x[0]["tensors"][0]["dtype"] == "BF16"'
value 'sum(t["original"] for t in x[0]["tensors"]) == 301 * 128'
value 'all(t["coding"] == "16R: raw, R16 x1" and t["n_chunks"] == 1 for t in x[0]["tensors"])'
value 'all(0 < t["stored"] <= t["original"] for t in x[0]["tensors"])'

expect 0 zipnn -lvv --json m.znn
value 'len(x[0]["chunks"]) == x[0]["n_chunks"] and len(x[0]["chunks"][0]["xxh3"]) == 16'
value 'sum(c["original"] for c in x[0]["chunks"]) == x[0]["original"]'

# Restoring, testing and recompressing tell of the archive what listing it tells. Where it is a pipe, nobody knows.
expect 0 zipnn --json -9 n.bin -f -o nine.znn
value 'x[0]["level"] == 9'
expect 0 zipnn -t --json nine.znn
value 'x[0]["level"] == 9 and x[0]["container"] == "safetensors" and "output" not in x[0]'
expect 0 zipnn -d --json nine.znn -o back9
value 'x[0]["level"] == 9 and x[0]["container"] == "safetensors"'
expect 0 zipnn recompress --json -1 nine.znn
value 'x[0]["level"] == 1 and x[0]["container"] == "safetensors"'
printf nothing >nothing
expect 0 zipnn --json nothing -o nothing.znn
value 'x[0]["container"] == "raw"'
zipnn -t --json <nine.znn >"$home/out" && cat nine.znn | zipnn -t --json >>"$home/out"
value 'len(x) == 2 and all("level" not in o and "container" not in o for o in x)'
cp m.znn ./- # a file of that name is not what standard input gives
zipnn -t --json - <nine.znn >"$home/out" && zipnn -d --json - -o back <nine.znn >>"$home/out"
value 'len(x) == 2 and all("level" not in o and "container" not in o for o in x)'
rm ./- back
mkfifo pipe
cat pipe >/dev/null &
expect 0 zipnn --json m -o pipe
has file output original stored n_chunks xxh3
wait

# Failures are objects too.
expect 3 zipnn -t --json m m.znn missing
value '[sorted(o) for o in x] == [["error", "file", "message", "offset"], sorted(x[1]), ["error", "file", "message"]]'
value 'x[0]["error"] == "format" and x[2]["error"] == "io"'

# The plain list.
expect 0 zipnn -l m.znn
prints "safetensors"
expect 0 zipnn -lv m.znn
prints "a.weight [300, 64]"

expect 0 zipnn --json --sha256 m -o with_sha
has file output original stored n_chunks container level xxh3 sha256
value "x[0]['sha256'] == '$(sha256sum m | cut -d ' ' -f 1)'"
expect 0 zipnn -t --json with_sha
has file original stored n_chunks container level xxh3 sha256
expect 0 zipnn -d --json with_sha -o back
has file output original stored n_chunks container level xxh3 sha256
expect 0 zipnn -l --json m.znn with_sha
value '"sha256" in x[1] and "sha256" not in x[0]'
expect 0 zipnn -lv with_sha
prints "$(sha256sum m | cut -d ' ' -f 1)"

expect 0 zipnn estimate --json m n.bin
has file original stored estimate margin sampled n_chunks seconds
value "x[0]['estimate'] == $(stat -c %s m.znn) and x[0]['margin'] == 0"
expect 0 zipnn estimate m
prints "100.0%"

expect 0 zipnn bench --json -T 1 m n.bin
has file original stored compressed compress_gbps decompress_gbps memcpy_gbps threads level kernel
value 'len(x) == 2 and x[0]["threads"] == 1 and min(x[0]["compress_gbps"], x[0]["decompress_gbps"], x[0]["memcpy_gbps"]) > 0'
value "x[0]['compressed'] == $(stat -c %s m.znn)"
expect 0 zipnn bench m
prints "decompress"
: >empty
expect 0 zipnn bench --json empty
expect 1 zipnn bench missing

# What other commands call otherwise has one name everywhere; what tensors share is said.
expect 0 zipnn inspect --json m.znn
value 'all(t["name"] == t["tensor"] and t["shares_chunks"] for t in x[:-1]) and "tensor" not in x[-1]'
expect 0 zipnn inspect --json m
value 'x[-1]["stored"] == x[-1]["estimate"] and "shares_chunks" not in x[0]'
expect 0 zipnn inspect m.znn
prints "its share, by length"
expect 0 zipnn -lv m.znn
prints "~"

# A name that is not UTF-8 is told by its bytes, too.
odd=$(printf 'odd\377name')
if cp m "$odd" 2>/dev/null && [ -e "$odd" ]; then
    expect 0 zipnn --json "$odd"
    value 'bytes.fromhex(x[0]["file_bytes"]) == b"odd\xffname" and bytes.fromhex(x[0]["output_bytes"]) == b"odd\xffname.znn"'
    expect 1 zipnn --json "$odd.nothing"
    value 'bytes.fromhex(x[0]["file_bytes"]) == b"odd\xffname.nothing"'
fi
expect 0 zipnn --json m -f -o plain
value '"file_bytes" not in x[0]'

# A table without lines has no heading.
expect 1 zipnn -l missing
[ ! -s "$home/out" ] || fail "a heading of nothing"
finish
