# A disk that becomes full: an error, and nothing is left behind.
. "$(dirname "$0")/cli_lib.sh"

mkdir disk
unshare -m true 2>/dev/null || skip "needs to mount"
model 12000 m
zipnn m

# In a file system of half the size.
attempt() {
    mount -t tmpfs -o "size=$1" none disk || exit 77
    shift
    "$@"
    local code=$?
    [ -z "$(ls -A disk)" ] || code=99
    return "$code"
}
export -f attempt

for threads in 1 2; do
    expect 1 unshare -m bash -c "attempt 512k zipnn -T $threads m -o disk/m.znn"
    says "disk/m.znn: cannot"
    says "No space left on device"
    expect 1 unshare -m bash -c "attempt 1m zipnn -dT $threads m.znn -o disk/m"
    says "No space left on device"
done
# In place, the old file stays, with all that it was.
in_place() {
    mount -t tmpfs -o size=512k none disk && cp "$1" disk/m || exit 77
    zipnn -q "${@:2}" --in-place disk/m
    local code=$?
    cmp disk/m "$1" && [ "$(ls -A disk)" = m ] || code=99
    return "$code"
}
export -f in_place
model 3000 small
zipnn -q small
expect 1 unshare -m bash -c "in_place small -9"
says "No space left on device"
expect 1 unshare -m bash -c "in_place small.znn -d"
says "No space left on device"
# How much is needed and free is said, where that is known; what was not looked at is not called damaged.
expect 1 unshare -m bash -c "attempt 1m zipnn -d m.znn -o disk/m"
says "cannot make room for $(stat -c %s m) bytes: No space left on device, 1048576 bytes are free"
expect 1 unshare -m bash -c "attempt 1m zipnn salvage m.znn -o disk/m"
says "bytes are free"
grep -q intact "$home/err" && fail "a full disk is told as damage"
finish
