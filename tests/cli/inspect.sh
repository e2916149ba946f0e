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
expect 2 zipnn inspect m text --html x
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
for file in m m.znn evil text; do
    expect 0 zipnn inspect "$file" -f --html page.html
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
assert page.tiles and abs(page.inside - 100) < 1, (page.tiles, page.inside)
'
done
expect 1 zipnn inspect m --html page.html
no_temporaries
finish
