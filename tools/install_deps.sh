#!/bin/sh
# install_deps.sh build|test [--check]: installs what is missing through apt-get, or, with --check, only says what is missing, and
# fails. Does nothing, and needs no network, when all is there. A line of the tables is a package and the command that proves it is not needed.
set -eu

build_table() {
    cat <<'END'
gcc cc --version
libc6-dev echo '#include <stdio.h>' | cc -E -
make make --version
cmake cmake --version
pkg-config pkg-config --version
libzstd-dev pkg-config --exists libzstd
libjansson-dev pkg-config --exists jansson
libxxhash-dev pkg-config --exists libxxhash
zstd zstd --version
END
}

test_table() {
    cat <<'END'
g++ c++ --version
clang clang --version
libclang-rt-dev echo 'int main(void) { return 0; }' | clang -fsanitize=address,fuzzer-no-link -x c - -o /dev/null
clang-format clang-format --version
clang-tidy clang-tidy --version
cppcheck cppcheck --version
llvm llvm-symbolizer --version
ninja-build ninja --version
libcmocka-dev pkg-config --exists cmocka
libcurl4-openssl-dev pkg-config --exists libcurl
python3 python3 --version
libfuse3-dev pkg-config --exists fuse3
fuse3 fusermount3 --version
rsync rsync --version
git git --version
valgrind valgrind --version
gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc --version
libc6-dev-arm64-cross echo '#include <stdio.h>' | aarch64-linux-gnu-gcc -E -
gcc-s390x-linux-gnu s390x-linux-gnu-gcc --version
libc6-dev-s390x-cross echo '#include <stdio.h>' | s390x-linux-gnu-gcc -E -
gcc-i686-linux-gnu i686-linux-gnu-gcc --version
libc6-dev-i386-cross echo '#include <stdio.h>' | i686-linux-gnu-gcc -E -
qemu-user qemu-aarch64 --version
dpkg-dev dpkg-source --version
python3-venv python3 -c 'import ensurepip, venv'
END
}

case ${1:-} in
build) table=$(build_table) ;;
test) table=$(build_table && test_table) ;;
*) echo "usage: tools/install_deps.sh build|test [--check]" >&2 && exit 2 ;;
esac

missing=$(echo "$table" | while read -r package check; do
    sh -c "$check" </dev/null >/dev/null 2>&1 || printf ' %s' "$package"
done)
[ -n "$missing" ] || exit 0

if [ "${2:-}" = --check ]; then
    goal=deps
    [ "$1" = build ] || goal=deps-test
    echo "Missing (by Debian's names):$missing. \`make $goal\` installs them." >&2
    exit 1
fi

if ! command -v apt-get >/dev/null; then
    echo "Missing (by Debian's names):$missing. Install them with this system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "Missing:$missing. As root: apt-get install$missing" >&2
    exit 1
fi

echo "Installing what zipnn's $1 needs and this system lacks, through apt-get:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends $missing; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get failed; the packages are:$missing" >&2
    exit 1
fi
