# Archives behind URLs: what each command reads, how many requests that takes, and what is said when it fails.
. "$(dirname "$0")/cli_lib.sh"

fetch=$(dirname "$ZIPNN")/zipnn-fetch
if [ ! -x "$fetch" ] || [ -n "${ZIPNN_EMULATOR:-}" ]; then
    expect 1 zipnn -l http://127.0.0.1:1/x.znn
    says "URLs are read by the program zipnn-fetch, which cannot be started"
    says "apt-get install libcurl4-openssl-dev"
    finish
    exit
fi
if command -v ldd >/dev/null; then refuted grep curl <(ldd "$ZIPNN"); fi
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
export no_proxy='*' HOME="$home"

numbers() { # SIZE FILE, as those of cli_lib.sh
    python3 -c '
import random, sys
random.seed(1)
n = int(sys.argv[1]) // 2
words = bytearray(2 * n)
words[::2] = random.randbytes(n)
words[1::2] = random.randbytes(n).translate(bytes(60 + b % 3 + 128 * (b >> 7) for b in range(256)))
open(sys.argv[2], "wb").write(words)' "$1" "$2"
}
mkdir served
model 300000 served/m # 38 MB; awk would take half a minute
head_len=$(($(stat -c %s served/m) - 300001 * 128))
zipnn served/m
model 100 served/small
zipnn served/small
cp served/m changed
printf another | dd of=changed bs=1 seek=9000000 conv=notrunc 2>/dev/null
zipnn --base served/m changed -o served/delta.znn
length=$(stat -c %s served/m.znn)

coproc SERVER { exec python3 "$(dirname "$0")/../support/range_server.py" served; }
server=$SERVER_PID
trap 'kill $server; rm -rf "$home"' EXIT
read -r port <&"${SERVER[0]}"
url=http://127.0.0.1:$port

# took REQUESTS BYTES: since the last call no more than that.
took() {
    local found
    found=$(python3 -c '
import json, sys, urllib.request
c = json.load(urllib.request.urlopen(sys.argv[1] + "/count"))
print("%d requests, %d bytes" % (c["requests"], c["bytes"]), c["requests"] <= int(sys.argv[2]) and c["bytes"] <= int(sys.argv[3]))
' "$url" "$1" "$2")
    case $found in *True) ;; *) fail "$found: more than $1 and $2" ;; esac
}
slack=131072
pieces=$(((length + 8388607) / 8388608))

# ---- what is read

took 1000 1000000000
expect 0 zipnn -l "$url/plain/m.znn"
prints "$url/plain/m.znn"
took 2 $slack
expect 0 zipnn -lv --json "$url/plain/m.znn"
prints a.weight
took 8 $((slack + 300000)) # how chunks are coded stands in the chunks
expect 0 zipnn -t "$url/plain/m.znn"
took $((pieces + 3)) $((length * 102 / 100 + slack))
expect 0 zipnn verify "$url/plain/m.znn"
took $((pieces + 4)) $((length * 102 / 100 + slack))
expect 0 zipnn cat --range 20000000:1000 "$url/plain/m.znn" -o part
tail -c +20000001 served/m | head -c 1000 | cmp - part || fail "a range"
took 4 1200000
expect 0 zipnn cat "$url/plain/m.znn" -o whole
check cmp whole served/m
took $((pieces + 3)) $((length * 102 / 100 + slack))
expect 0 zipnn extract "$url/plain/m.znn" --tensor a.weight --rows 1000:1010 -o rows
tail -c +$((head_len + 128001)) served/m | head -c 1280 | cmp - rows || fail "rows"
took 4 1200000
expect 0 zipnn extract "$url/plain/m.znn" --tensor '*' -o all.safetensors
took $((pieces + 4)) $((length * 102 / 100 + slack))
expect 0 zipnn extract served/m.znn --tensor '*' -o here.safetensors
check cmp all.safetensors here.safetensors
expect 0 zipnn inspect "$url/plain/small.znn"
expect 0 zipnn -d "$url/plain/m.znn"
check cmp m served/m
took $((pieces + 5)) $((length * 102 / 100 + slack + 2000000)) # with that of inspect
expect 1 zipnn -d "$url/plain/m.znn"
says "already exists"
expect 0 zipnn -d "$url/plain/m.znn" -o out/
check cmp out/m served/m
zipnn -dc "$url/plain/m.znn" | cmp - served/m || fail "-dc"
zipnn cat "$url/plain/m.znn" 2>&1 | head -c 10 >/dev/null
expect 0 zipnn -l "$url/plain/m.znn" "$url/plain/small.znn"
expect 0 zipnn -t --base served/m "$url/plain/delta.znn"
expect 5 zipnn -t "$url/plain/delta.znn"
expect 2 zipnn -t --base "$url/plain/m" "$url/plain/delta.znn"
says "download it first"
expect 0 zipnn -t --base-dir served "$url/plain/delta.znn"
expect 0 zipnn diff "$url/plain/m.znn" served/m.znn
expect 0 zipnn salvage "$url/plain/m.znn" -o salvaged
check cmp salvaged served/m
expect 0 zipnn verify --against served/m "$url/plain/m.znn"
printf '%s\n' "$url/plain/m.znn" served/small.znn >list
expect 0 zipnn -t --filelist list
expect 0 zipnn -l -r "$url/plain/m.znn" served
expect 0 zipnn -d --output-dir-flat flat "$url/plain/small.znn"
check cmp flat/small served/small
expect 0 zipnn -d --output-dir-mirror mirror "$url/plain/small.znn"
check cmp mirror/small served/small
expect 1 zipnn -d -f -o two/ "$url/plain/small.znn" "$url/slow/small.znn"
says "another file of this run has its result at two/small"
expect 0 zipnn -d -f "$url/plain/m.znn"
expect 1 zipnn -t --max-output 1000 "$url/plain/m.znn"
says "the limit given is 1000"
http_proxy=$url no_proxy='' expect 0 zipnn -l http://example.org/plain/m.znn
prints http://example.org/plain/m.znn

# ---- what is overcome

for mode in busy short noetag weak redirect signed slow; do
    rm -f whole
    expect 0 zipnn cat "$url/$mode/m.znn" -o whole
    check cmp whole served/m
done
expect 0 zipnn -l "http://me:pass%20word@127.0.0.1:$port/login/m.znn?x=hidden"
prints "$url/login/m.znn"
refuted grep -e hidden -e pass "$home/out" "$home/err"

# ---- what is said

# fails MODE TEXT: zipnn -t says that, and shows neither login nor query.
fails() {
    expect "${3:-1}" zipnn -t "http://user:hidden@127.0.0.1:$port/$1/m.znn?token=hidden"
    says "$2"
    says "127.0.0.1:$port/$1/m.znn"
    refuted grep hidden "$home/out" "$home/err"
}
fails noranges "the server gives no ranges of it"
fails changed "changed since it was opened"
fails grown "changed since it was opened"
fails forbidden "refuses access (403)"
fails expires "if the URL is a signed one, get a fresh one"
fails login "refuses access (401)"
fails gone "no such file (404)"
fails down "5 attempts failed, the last one: the server answers 503"
fails shifted "were asked for"
fails long "sends more than"
fails gzip "encoded"
fails loop "more than 5 redirects"
fails lies "" 3
fails huge "" 3

# No message and no line for programs shows a login or a query.
private=http://me:pass%20word@127.0.0.1:$port/login/small.znn?x=hidden
for words in -l -lvv -t verify inspect 'cat -o got' 'extract --tensor b -o got' 'salvage -o got' '-d -o got' bench estimate recompress -z; do
    for json in '' --json; do
        rm -f got
        # shellcheck disable=SC2086
        zipnn $words $json "$private" >"$home/out" 2>"$home/err" || true
        [ -z "$json" ] || [ -s "$home/out" ] || fail "$words $json does nothing"
        refuted grep -r -e hidden -e pass%20 -e 'pass word' "$home/out" "$home/err"
    done
done

# ---- what a URL cannot be

for words in -z bench estimate recompress '--in-place' '-d --in-place' '-d --rm' '--rm' '-f --in-place'; do
    # shellcheck disable=SC2086
    expect 1 zipnn $words "$url/plain/small.znn"
    grep -q -e 'download it first' -e 'cannot be deleted' -e 'not a URL' "$home/err" || fail "$words: no reason"
done
for words in '-o URL' '--base-dir URL' '--base URL' '-d -o URL/' '-d --output-dir-flat URL' 'verify --against URL' 'inspect --html URL' '-t --filelist URL'; do
    # shellcheck disable=SC2086
    expect 2 zipnn ${words/URL/$url/plain} served/m.znn
    says "takes a path, not a URL"
done
for scheme in file ftp s3 hf; do
    expect 1 zipnn -l "$scheme://$PWD/served/m.znn"
    says "of URLs, those of http and https are read"
done
expect 1 zipnn -d "$url/plain/small"
says "use -o or -c"
expect 1 zipnn -l http://
says "URL"
expect 1 zipnn -l "$url/tofile/m.znn"
says "a redirect leads to something that is not followed"
(exec <&- >&-; zipnn -l "$url/plain/small.znn" 2>/dev/null) && fail "a closed standard output"
(exec <&-; zipnn -l "$url/plain/small.znn" >"$home/out") || fail "a closed standard input"

# A server that is silent, slow or endless is given up; the program is asked itself, for it has patience.
zipnn -l --json http://127.0.0.1:1/x.znn >refused 2>/dev/null &
refused=$!
asked=()
for mode in hangs drips endless; do
    printf 'open %s\nget 0 65536\n' "$url/$mode/m.znn" | { cat; sleep 60; } |
        timeout 60 "$fetch" 1 >"answer.$mode" 2>/dev/null & # the sleep keeps its input open
    asked+=($!)
done
for mode in hangs drips endless; do
    for ((i = 0; i < 550; i++)); do [ -s "answer.$mode" ] && break; sleep 0.1; done
    grep -q "5 attempts failed, the last one: the server does not answer in time" "answer.$mode" ||
        fail "$mode: $(cat "answer.$mode")"
done
kill "${asked[@]}" 2>/dev/null
wait $refused && fail "nobody listens"
grep -q '"error":"io"' refused || fail "nobody listens: $(cat refused)"

# A login is for the URL's own host alone.
{ coproc OTHER { exec python3 "$(dirname "$0")/../support/range_server.py" served; }; } 2>/dev/null
other=$OTHER_PID
read -r elsewhere <&"${OTHER[0]}"
expect 0 zipnn -l "http://me:pass%20word@127.0.0.1:$port/elsewhere/$elsewhere/plain/m.znn"
python3 -c '
import json, sys, urllib.request
headers = [json.load(urllib.request.urlopen(u + "/count"))["headers"] for u in sys.argv[1:]]
sys.exit("Authorization" not in headers[0] or "Authorization" in headers[1])' "$url" "http://127.0.0.1:$elsewhere" ||
    fail "a login went to another host, or not to its own"
kill "$other"
no_temporaries
finish
