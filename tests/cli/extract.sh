# Parts of an original: tensors, rows, ranges of bytes, from archives and from plain model files.
. "$(dirname "$0")/cli_lib.sh"

model 20000 m
zipnn m
head_len=$(($(stat -c %s m) - 20001 * 128))
tail -c +$((head_len + 1)) m >data
head -c $((20000 * 128)) data >a

for file in m m.znn; do
    expect 0 zipnn extract $file --tensor a.weight -o out -f
    check cmp out a
    zipnn extract $file --tensor b >out2
    tail -c 128 m | cmp - out2 || fail "tensor b of $file"
    # rows ARGUMENT FIRST COUNT
    rows() {
        expect 0 zipnn extract $file --tensor a.weight --rows "$1" -fo out
        tail -c +$(($2 * 128 + 1)) a | head -c $(($3 * 128)) | cmp - out || fail "rows $1 of $file"
    }
    rows 0:20000 0 20000
    rows 5:9 5 4
    rows 4099:4100 4099 1
    rows 19999 19999 1
    rows 19990: 19990 10
    rows :3 0 3
    rows 7:7 7 0
    expect 1 zipnn extract $file --tensor a.weight --rows 3:20001 -o no
    says "rows 3 to 20001 of a tensor of 20000"
    expect 1 zipnn extract $file --tensor a.weight --rows 4:3 -o no
    expect 1 zipnn extract $file --tensor nothing -o no
    says 'no tensor is named "nothing"'
done
check test ! -e no

for range in 0:1 0:100 7:4096 1M:1K 1000000: "$(stat -c %s m):0"; do
    expect 0 zipnn cat m.znn --range $range -fo out
    from=${range%:*} len=${range#*:}
    from=$(numfmt --from=iec "$from") len=$(numfmt --from=iec "${len:-1G}")
    tail -c +$((from + 1)) m | head -c "$len" | cmp - out || fail "range $range"
done
zipnn cat m.znn | cmp - m || fail "cat of everything"
zipnn cat m.znn m.znn | cmp - <(cat m m) || fail "cat of two"
expect 1 zipnn cat m.znn --range 3000000:1
says "of an original of"

# Arrays.
if python3 -c 'import numpy' 2>/dev/null; then
    expect 0 zipnn extract m.znn --tensor a.weight --rows 10:30 -o a.npy
    says "numpy has no BF16: the array holds the same bits as uint16"
    check python3 -c '
import numpy
a = numpy.load("a.npy")
assert a.dtype == "uint16" and a.shape == (20, 64), (a.dtype, a.shape)
assert a.tobytes() == open("a", "rb").read()[10 * 128:30 * 128]
'
fi

# Values, not bytes: what an output has is what its name says.
if python3 -c 'import numpy' 2>/dev/null; then
    python3 -c '
import numpy
a = numpy.arange(24, dtype=">f4").reshape(4, 6)
numpy.savez("n.npz", big=a, columns=numpy.asfortranarray(a.astype("<f4")), both=numpy.asfortranarray(a), c=a.astype(">c16"))
'
    zipnn n.npz
    for file in n.npz n.npz.znn; do
        for name in big columns both c; do
            expect 0 zipnn extract $file --tensor $name -fo v.npy
            expect 0 zipnn extract $file --tensor $name --rows 1:3 -fo rows.npy
            expect 0 zipnn extract $file --tensor $name -fo v.bin
            check python3 -c '
import numpy, sys
want = numpy.load("n.npz")[sys.argv[1]]
got, rows, raw = numpy.load("v.npy"), numpy.load("rows.npy"), open("v.bin", "rb").read()
assert got.dtype == want.dtype and (got == want).all() and got.flags.fnc == want.flags.fnc
assert rows.dtype == want.dtype and (rows == want[1:3]).all()
assert raw == want.astype(want.dtype.newbyteorder("<")).tobytes()
' $name
        done
        expect 0 zipnn extract $file --tensor both -fo v.safetensors
        check python3 -c '
import json, numpy, struct
data = open("v.safetensors", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
entry = json.loads(data[8:8 + n])["both"]
assert n % 8 == 0 and entry == {"dtype": "F32", "shape": [4, 6], "data_offsets": [0, 96]}, entry
assert (numpy.frombuffer(data[8 + n:], "<f4").reshape(4, 6) == numpy.load("n.npz")["both"]).all()
'
        expect 1 zipnn extract $file --tensor c -fo c.safetensors
        says "safetensors has no element type C128"
        for name in v.pt v.gguf v.h5 v.znn v.zip; do
            expect 1 zipnn extract $file --tensor big -fo $name
            says "extract writes no .${name#v.} file"
            check test ! -e $name
        done
        expect 0 zipnn extract $file --tensor both -fo v.bin
        says "row after row, little-endian; the file has them big-endian and in columns"
        expect 1 zipnn extract $file --tensor big --max-output 95 -fo v.bin
    done
    zipnn -lv n.npz.znn >listing
    check grep -q 'both \[4, 6\], big-endian, in columns' listing
    check grep -q 'C128 *c \[4, 6\]' listing
fi

# Several tensors, and patterns: one safetensors file of all, in the order of the file, or an array for each.
for file in m m.znn; do
    expect 0 zipnn extract $file --tensor b --tensor a.weight -fo all.safetensors
    tail -c $((20001 * 128)) all.safetensors | cmp - data || fail "all tensors of $file"
    expect 0 zipnn extract $file --tensor '*' -fo every.safetensors
    check cmp all.safetensors every.safetensors
    expect 0 zipnn extract $file --tensor 'b*' --tensor '?.w*t' --tensor b -fo every.safetensors
    check cmp all.safetensors every.safetensors
    zipnn extract $file --tensor '?' | cmp - out2 || fail "a pattern that one tensor matches"
    expect 1 zipnn extract $file --tensor '*' -fo no
    says "2 tensors are asked for: -o NAME.safetensors or NAME.npz takes them all"
    expect 1 zipnn extract $file --tensor '*' --tensor x.weight -fo no.safetensors
    says 'no tensor is named "x.weight"; the nearest name is "a.weight"'
    expect 1 zipnn extract $file --tensor 'c*' -fo no.safetensors
    says 'no tensor is named "c*"'
    expect 1 zipnn extract $file --tensor '*' --max-output $((20001 * 128 - 1)) -fo no.safetensors
    says "--max-output allows"
    expect 1 zipnn extract $file --tensor '*' --rows 0:100 -fo no.safetensors
    says "rows 0 to 100 of a tensor of 64"
    rm -rf dir
    expect 0 zipnn extract $file --tensor '*' -o dir/new/ --json
    [ "$(grep -c '"output":"dir/new/.*npy","tensor":' "$home/out")" -eq 2 ] || fail "a line for each tensor"
    tail -c $((20000 * 128)) dir/new/a.weight.npy | cmp - a || fail "an array of $file"
    tail -c 128 dir/new/b.npy | cmp - out2 || fail "the other array of $file"
    [ "$(ls dir/new)" = "a.weight.npy
b.npy" ] || fail "something else in the folder"
    expect 1 zipnn extract $file --tensor '*' -o dir/new/
    says "already exists"
    expect 0 zipnn extract $file --tensor '*' -f -o dir/new/
done
check test ! -e no -a ! -e no.safetensors
zipnn diff all.safetensors m | grep -q "^0 of 2 tensors" || fail "a tensor of the new file differs"

# Names that must not leave the folder or hide in it, and two that are one for a file system; a name that is a pattern.
python3 -c '
import json, struct, sys
names = ["../../up", ".hidden", "a/b", "a%2Fb", "", "..", "x*", "xy", "\\", "é"]
entries = {n: {"dtype": "U8", "shape": [1], "data_offsets": [i, i + 1]} for i, n in enumerate(names)}
head = json.dumps(entries).encode()
open("odd.safetensors", "wb").write(struct.pack("<Q", len(head)) + head + bytes(range(len(names))))
' && {
    expect 0 zipnn extract odd.safetensors --tensor '*' -o odd/in/
    [ "$(ls -A odd/in | wc -l)" -eq 10 ] && [ "$(ls -A odd)" = in ] || fail "names of arrays: $(ls -A odd odd/in)"
    check test -e odd/in/%2E.%2F..%2Fup.npy -a -e odd/in/a%252Fb.npy -a -e odd/in/%C3%A9.npy
    zipnn extract odd.safetensors --tensor 'x*' | cmp - <(printf '\006') || fail "the name goes before the pattern"
}

# Command lines that make no sense.
for line in "extract m.znn" "extract m.znn --tensor" "extract m.znn --tensor a --rows x" "cat m.znn --rows 1:2" \
    "extract m.znn --tensor a --rows 1:2:3" "cat m.znn --range 5" "cat m.znn --range 1:99999999999999999999" \
    "cat m.znn --range 20000000T:1" "-d m.znn --tensor a" "extract --tensor a" "cat"; do
    expect 2 zipnn $line
done
expect 3 zipnn cat m
expect 1 zipnn extract missing --tensor a -o no

# Damage in one chunk leaves the others readable.
size=$(stat -c %s m.znn)
cp m.znn hurt
printf 'XXXX' | dd of=hurt bs=1 seek=$((size / 3)) conv=notrunc 2>/dev/null
expect 3 zipnn extract hurt --tensor a.weight -o no
says "checksum"
check test ! -e no
expect 0 zipnn extract hurt --tensor b -fo out
check cmp out out2
# --as f32: all values of 16 and 8 bits, bit for bit; types are refused that fp32 does not hold. zipfile reads and checks
# archives of arrays; numpy reads them, where it is.
python3 - <<'END'
import json, struct
words = b"".join(struct.pack("<H", i) for i in range(65536))
tensors = [("half", "F16", [256, 256], words), ("brain", "BF16", [65536], words), ("e4m3", "F8_E4M3", [16, 16], bytes(range(256))),
           ("e5m2", "F8_E5M2", [256], bytes(range(256))), ("single", "F32", [2], struct.pack("<2I", 0x7fa00001, 0x80000001)),
           ("double", "F64", [2], bytes(16)), ("int", "I32", [2], bytes(8)), ("none", "BF16", [0, 3], b""), ("scalar", "F16", [], b"\x00\x3c"),
           ("../out", "BF16", [1], b"\x80\x3f"), ("/root", "BF16", [1], b"\x80\x3f"), ("a/b\u00e9.c", "BF16", [1], b"\x80\x3f"), ("q\\r", "BF16", [1], b"\x80\x3f"),
           ("", "BF16", [1], b"\x80\x3f")]
header, data = {}, b""
for name, dtype, shape, body in tensors:
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(body)]}
    data += body
head = json.dumps(header).encode()
open("types", "wb").write(struct.pack("<Q", len(head)) + head + data)
END
zipnn -q types
cat >wide.py <<'END'
import json, math, struct, sys
def value(bits, exponent_bits, mantissa_bits, infinity):
    ones, bias = (1 << exponent_bits) - 1, (1 << (exponent_bits - 1)) - 1
    sign, e, m = bits >> (exponent_bits + mantissa_bits), bits >> mantissa_bits & ones, bits & ((1 << mantissa_bits) - 1)
    if e == ones and (infinity or m == (1 << mantissa_bits) - 1): v = math.nan if m else math.inf
    else: v = math.ldexp((m + (1 << mantissa_bits) if e else m), max(e, 1) - bias - mantissa_bits)
    return math.copysign(v, -1 if sign else 1)
kinds = {"half": (5, 10, True, 65536), "brain": (8, 7, True, 65536), "e4m3": (4, 3, False, 256), "e5m2": (5, 2, True, 256)}
def check(name, got):
    e, m, infinity, n = kinds[name]
    assert len(got) == 4 * n, (name, len(got))
    for i, (bits,) in enumerate(struct.iter_unpack("<I", got)):
        want, found = value(i, e, m, infinity), struct.unpack("<f", struct.pack("<I", bits))[0]
        assert bits >> 31 == i >> (e + m), (name, i)
        if math.isnan(want): assert math.isnan(found) and bits & 0x7fffff == (i & ((1 << m) - 1)) << (23 - m), (name, i, hex(bits))
        else: assert struct.pack("<d", want) == struct.pack("<d", found), (name, i, want, found)
END
for file in types types.znn; do
    for name in half brain e4m3 e5m2; do
        expect 0 zipnn extract $file --tensor $name --as f32 -fo v.bin
        check python3 -c 'import sys, wide; wide.check(sys.argv[1], open("v.bin", "rb").read())' $name
        expect 0 zipnn extract $file --tensor $name --as fp32 -fo v.npy
        silent "extract --as f32 to .npy"
        check grep -qa "'descr': '<f4'" v.npy
    done
    expect 0 zipnn extract $file --tensor half --rows 3:5 --as f32 -fo rows.bin
    zipnn extract $file --tensor half --as f32 -fo v.bin
    check cmp rows.bin <(tail -c +3073 v.bin | head -c 2048)
    expect 0 zipnn extract $file --tensor single --as f32 -fo v.bin
    check cmp v.bin <(printf '\001\000\240\177\001\000\000\200')
    for name in double int; do
        expect 1 zipnn extract $file --tensor half --tensor $name --as f32 -fo refused.safetensors
        says "--as f32 takes bf16, fp16"
        check test ! -e refused.safetensors
    done
    expect 2 zipnn extract $file --tensor half --as f16 -fo refused.npy
    says "takes f32"
    expect 1 zipnn extract $file --tensor half --as f32 --max-output 262143 -fo refused.npy
    expect 0 zipnn extract $file --tensor half --tensor e4m3 --as f32 -fo v.safetensors --json
    prints '"dtype":"F32","stored_dtype":"F16"'
    check python3 -c 'import json, struct, wide
data = open("v.safetensors", "rb").read()
n = struct.unpack("<Q", data[:8])[0]
for name, t in json.loads(data[8:8 + n]).items():
    assert t["dtype"] == "F32"
    wide.check(name, data[8 + n:][slice(*t["data_offsets"])])'

    expect 0 zipnn extract $file --tensor '*' -fo all.npz
    expect 1 zipnn extract $file --tensor '*' -o all.npz
    check python3 -c 'import io, os, struct, sys, zipfile, wide
with zipfile.ZipFile("all.npz") as z:
    assert z.testzip() is None
    names = z.namelist()
    assert len(names) == len(set(names)) == 14 and "a/b\u00e9.c.npy" in names and "half.npy" in names, names
    assert not any(n.startswith("/") or ".." in n.split("/") or "\\" in n for n in names), names
    assert z.read("e4m3.npy").endswith(bytes(range(256)))
try: import numpy
except ImportError: sys.exit()
with numpy.load("all.npz") as z:
    assert z["half"].dtype == "<f2" and z["brain"].dtype == "<u2" and z["none"].shape == (0, 3) and z["scalar"].shape == () and z["double"].shape == (2,)
'
done
expect 0 zipnn extract types.znn --tensor half --tensor brain --tensor e5m2 --as f32 -fo wide.npz
check python3 -c 'import zipfile, wide
with zipfile.ZipFile("wide.npz") as z:
    for name in ("half", "brain", "e5m2"):
        data = z.read(name + ".npy")
        wide.check(name, data[10 + data[8] + 256 * data[9]:])'
zipnn extract types.znn --tensor half --as f32 --rows 0:1 | cmp - <(zipnn extract types --tensor half --as f32 -fo v.bin && head -c 1024 v.bin) || fail "--as f32 to standard output"
no_temporaries
finish
