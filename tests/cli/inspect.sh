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

# A page that fetches nothing, runs nothing, and whose tiles fill the map. Names cannot become markup.
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
import html.parser
text = open("page.html", encoding="utf-8").read()
class Page(html.parser.HTMLParser):
    open_tags, area, tiles, maps = [], 0, 0, 0
    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img", "iframe", "object"), tag
        attrs = dict(attrs)
        assert not any(k.startswith("on") or k in ("src", "href") for k in attrs), attrs
        if tag == "svg": self.maps += 1
        if tag == "rect" and self.maps == 1 and "fill" in attrs:
            self.area += float(attrs["width"]) * float(attrs["height"])
            self.tiles += 1
        if tag not in ("meta", "br"): self.open_tags.append(tag)
    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag, tag
page = Page()
page.feed(text)
assert not page.open_tags and "http" not in text and "url(" not in text, page.open_tags
assert abs(page.area / (1000 * 560) - 1) < 0.02, (page.area, page.tiles)
'
done
expect 1 zipnn inspect m --html page.html
no_temporaries
finish
