# Model files with tensors of one name, without names, and with entries that cannot be listed: each tensor can be asked
# for, and what is left out is said.
. "$(dirname "$0")/cli_lib.sh"
command -v python3 >/dev/null || skip "needs python3"

python3 - <<'END'
import io, struct, warnings, zipfile
def npy(value, n=3):
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % n
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + value * n
warnings.simplefilter("ignore")
with zipfile.ZipFile("twice.npz", "w", zipfile.ZIP_STORED) as z:
    for name, value in ("w", b"1"), ("v", b"2"), ("w", b"3"), ("w#1", b"4"):
        z.writestr(name + ".npy", npy(value))
    z.writestr("packed.npy", npy(b"5", 5000), zipfile.ZIP_DEFLATED)
open("one.npy", "wb").write(npy(b"6"))
def safetensors(name, entries):
    head = ("{" + ",".join(entries) + "}").encode()
    open(name, "wb").write(struct.pack("<Q", len(head)) + head + bytes(range(8)))
def entry(name, shape, begin, end):
    return '"%s":{"dtype":"U8","shape":[%s],"data_offsets":[%d,%d]}' % (name, shape, begin, end)
safetensors("overlap.safetensors", [entry("a", "4", 0, 4), entry("b", "4", 2, 6), entry("c", "2", 6, 8), entry("d", "3", 0, 4)])
safetensors("zero.safetensors", [entry("a\\u0000b", "4", 0, 4), entry("c", "4", 4, 8)])
END

# holds FILE TENSOR BYTES: in the model file and in its archive.
holds() {
    for source in "$1" "$1.znn"; do
        expect 0 zipnn extract "$source" --tensor "$2" -o bytes -f
        [ "$(tail -c ${#3} bytes)" = "$3" ] || fail "$source: $2 is $(cat bytes)"
    done
}

# Of members of one name the last is meant; the other is listed, too.
zipnn -q twice.npz one.npy overlap.safetensors zero.safetensors
holds twice.npz w 333
holds twice.npz "w#1" 444
holds twice.npz "w#2" 111
holds twice.npz v 222
expect 0 zipnn -lv twice.npz.znn
prints "1 entry of the original's directory is not listed"
expect 0 zipnn -l --json twice.npz.znn
prints '"n_tensors":4,"n_left_out":1'
expect 0 zipnn inspect twice.npz
prints "1 entry of the original's directory is not listed"

# Overlaps and shapes that disagree.
expect 0 zipnn -lv overlap.safetensors.znn
prints "2 entries of the original's directory are not listed"
prints " a "
prints " c "
expect 0 zipnn -l --json one.npy.znn
prints '"n_tensors":1,"n_left_out":0'

# A name with a zero byte is spelled as in JSON.
for source in zero.safetensors zero.safetensors.znn; do
    expect 0 zipnn extract "$source" --tensor 'a\u0000b' -o bytes -f
    [ "$(od -An -tx1 bytes)" = " 00 01 02 03" ] || fail "$source: the bytes are $(od -An -tx1 bytes)"
done

finish
