# inspect: what the bits hold, as text, JSON and a page.
. "$(dirname "$0")/cli_lib.sh"

model 3000 m
zipnn m
expect 0 zipnn inspect m
prints "a.weight"
prints "/8 "
prints "exponents of BF16"
prints "compressing would give"
expect 0 zipnn inspect m.znn
prints "stored as"
expect 0 zipnn inspect -v m.znn
prints "information of exponent"
expect 0 zipnn inspect m m.znn
echo "no model, just text" >text
expect 0 zipnn inspect text
prints "(all bytes)"
: >empty
expect 3 zipnn inspect empty
expect 1 zipnn inspect missing
model 12000 big
zipnn big -o hurt
printf 'XXXX' | dd of=hurt bs=1 seek=$(($(stat -c %s hurt) / 2)) conv=notrunc 2>/dev/null
expect 3 zipnn inspect hurt
says "checksum"
prints "a.weight"
mkdir folder
cp m folder/m.safetensors
expect 0 zipnn inspect -r folder
prints "folder/m.safetensors"
expect 2 zipnn inspect m text evil --html x
expect 2 zipnn inspect m text --html x --base m
expect 2 zipnn --html x m
expect 2 zipnn inspect --sync m
says "with --html OUT"
expect 0 zipnn inspect --sync --html synced.html m
check test -s synced.html
head -c 200000 m >cut
expect 0 zipnn inspect cut

if ! command -v python3 >/dev/null; then
    finish
    exit
fi

zipnn inspect --json m m.znn >json
check python3 -c '
import json, math
x = [json.loads(line) for line in open("json")]
assert len(x) == 6 and [o.get("tensor") for o in x[:3]] == ["a.weight", "b", None], x
a = x[0]
assert a["exponent_bits"] == 8 and a["mantissa_bits"] == 7 and a["bits"] == 16 and a["elements"] == 3000 * 64
data = open("m", "rb").read()
words = [data[i] | data[i + 1] << 8 for i in range(len(data) - 3001 * 128, len(data) - 128, 2)]
counts = {}
for w in words: counts[w >> 7 & 255] = counts.get(w >> 7 & 255, 0) + 1
h = -sum(c / len(words) * math.log2(c / len(words)) for c in counts.values())
assert abs(h - a["exponent_entropy"]) < 1e-3, (h, a)
assert len(a["plane_entropy"]) == 2 and "stored" not in a and x[3]["stored"] < x[3]["original"]
assert "estimate" in x[2] and x[5]["stored"] == x[2]["estimate"]
'

# A page that fetches nothing, and runs nothing but its own script, whose hash it tells the browser. Names cannot become
# markup. What is inside a rectangle of the map stays there.
python3 - <<'END'
import json, struct
names = ["<script>alert(1)</script>", "a&b\"'", "caf\u00e9.weight"] + ["layer.%d" % i for i in range(30)]
header, at = {}, 0
for i, name in enumerate(names):
    header[name] = {"dtype": "BF16", "shape": [100 * (i + 1)], "data_offsets": [at, at + 200 * (i + 1)]}
    at += 200 * (i + 1)
head = json.dumps(header).encode()
open("evil", "wb").write(struct.pack("<Q", len(head)) + head + bytes((i * i >> 3) & 255 for i in range(at)))
END
zipnn -q -6 m -o six.znn
for file in m m.znn evil text "m.znn evil" "m.znn six.znn" "text m" "evil m.znn" "m m"; do
    expect 0 zipnn inspect $file -f --html page.html
    check python3 -c '
import base64, hashlib, html.parser, re
text = open("page.html", encoding="utf-8").read()
class Page(html.parser.HTMLParser):
    tags, scripts, tiles, places, policy, inside = [], [], 0, [], "", 0
    def handle_starttag(self, tag, attrs):
        assert tag not in ("link", "img", "iframe", "object", "base", "form"), tag
        attrs = dict(attrs)
        assert not any(k.startswith("on") or k in ("src", "href", "action") for k in attrs), attrs
        self.policy += attrs.get("content", "") if "http-equiv" in attrs else ""
        if attrs.get("class", "").startswith(("tile", "group")):
            x, y, w, h = (float(v) for v in re.findall(r"[0-9.]+", attrs["style"]))
            assert min(x, y) >= 0 and x + w < 100.1 and y + h < 100.1, attrs
            self.tiles += attrs["class"].startswith("tile")
            if self.tags.count("div") == 1: self.inside += w * h / 100
        if tag not in ("meta", "br", "wbr", "input"): self.tags.append(tag)
    def handle_endtag(self, tag):
        assert self.tags.pop() == tag, tag
    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script": self.scripts.append(data)
page = Page()
page.feed(text)
assert not page.tags and "http:" not in text and "https:" not in text and "url(" not in text, page.tags
digest = base64.b64encode(hashlib.sha256("".join(page.scripts).encode()).digest()).decode()
assert len(page.scripts) == 1 and ("script-src \x27sha256-%s\x27" % digest) in page.policy, (digest, page.policy)
if "side by side" not in text: assert page.tiles and abs(page.inside - 100) < 1, (page.tiles, page.inside)
'
done
expect 1 zipnn inspect m --html page.html
expect 1 zipnn inspect m m.znn --html page.html
for out in m m.znn; do
    expect 1 zipnn inspect m m.znn -f --html $out
    says "same file"
done
expect 1 zipnn inspect m nowhere --html new.html
check test ! -e new.html

# Two files side by side, with what only one has.
expect 0 zipnn inspect m.znn six.znn
prints "Both hold the same original."
prints "change"
expect 0 zipnn inspect m.znn evil
prints "evil: "
prints "layer.*"
refuted grep -q "same original" "$home/out"
expect 0 zipnn inspect --json m.znn six.znn
[ "$(grep -c '"parameters":' "$home/out")" -eq 2 ] || fail "inspect --json of two files"
expect 0 zipnn inspect -r m evil
refuted grep -q "^change:" "$home/out"

# What a file says about itself, and what only seems to.
python3 - <<'END'
import json, random, struct
def text(s): return struct.pack("<Q", len(s)) + s
def gguf(pairs, n=None):
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs) if n is None else n) + b"".join(pairs) + text(b"t") + struct.pack(
        "<IQIQ", 1, 64, 0, 0) + bytes(4096)
pairs = [text(b"general.name") + struct.pack("<I", 8) + text(b"a <b> name"), text(b"n.layers") + struct.pack("<II", 4, 7),
         text(b"scale") + struct.pack("<If", 6, 0.5), text(b"signed") + struct.pack("<Ib", 1, -3), text(b"yes") + struct.pack("<I?", 7, True),
         text(b"tokens") + struct.pack("<IIQ", 9, 8, 3) + text(b"x") * 3, text(b"last") + struct.pack("<II", 4, 9),
         text(b"nested") + struct.pack("<IIQIQII", 9, 9, 2, 4, 1, 5, 4) + struct.pack("<QII", 2, 6, 7), text(b"end") + struct.pack("<Iq", 11, -1)]
open("self.gguf", "wb").write(gguf(pairs))
meta = {"format": "pt", "odd \u00e9": "<i>\n\\\"quoted\"", **{"key%d" % i: "v" * 1000 for i in range(70)}}
head = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "__metadata__": meta}).encode()
open("self.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + bytes(16))
random.seed(3)
whole = [gguf(pairs), open("self.safetensors", "rb").read()]
for i in range(60):
    bytes_ = bytearray(whole[i % 2])
    for _ in range(random.randint(1, 4)): bytes_[random.randrange(min(len(bytes_), 700))] = random.choice([0, 255, 9, 34, 92, 123, 125, 117, random.randrange(256)])
    open("odd%d" % i, "wb").write(bytes_[: random.choice([len(bytes_), random.randrange(30, len(bytes_))])])
END
expect 0 zipnn inspect -v self.gguf
for line in "general.name: a <b> name" "n.layers: 7" "scale: 0.5" "signed: -3" "yes: true" "tokens: 3 values" "last: 9" "nested: 2 values" "end: -1"; do
    prints "  $line"
done
expect 0 zipnn inspect -v self.safetensors
prints "  format: pt"
prints "and 8 more keys"
refuted grep -q "$(printf '%0401d' 0 | tr 0 v)" "$home/out"
expect 0 zipnn inspect self.gguf -f --html page.html
check grep -q "a &#60;b&#62; name" page.html
expect 0 zipnn inspect self.safetensors -f --html page.html
refuted grep -q "<i>.*quoted" page.html
check python3 -c 'import json, subprocess
line = json.loads(subprocess.run(["zipnn", "inspect", "--json", "self.safetensors"], stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
found = {m["key"]: m["value"] for m in line["metadata"]}
assert len(found) == 64 and found["odd \u00e9"] == "<i>\n\\\"quoted\"" and line["parameters"] == 4, found'
for i in $(seq 0 59); do
    zipnn inspect -v odd$i >"$home/out" 2>"$home/err"
    [ $? -le 3 ] || fail "inspect of odd$i"
done
no_temporaries
finish
