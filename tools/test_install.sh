#!/bin/bash
# Installs what the preset "install" has built and uses it as others will: the examples and a C++ program, through
# pkg-config and through find_package, with the shared and with the static library.
set -eu
cd "$(dirname "$0")/.."

build=build/install
prefix=$PWD/$build/prefix
work=$PWD/$build/try
rm -rf "$prefix" "$work"
mkdir -p "$work"
cmake --install $build
cmake --build $build --target make_model

# What the installed README links to is there.
docs=$prefix/share/doc/zipnn
for link in $(grep -oE '\]\([^)h#][^)#]*' "$docs/README.md" | sed 's/](//' | sort -u); do
    [ -e "$docs/$link" ] || { echo "README.md links to $link, which is not installed"; exit 1; }
done

libdir=$(dirname "$(find "$prefix" -name libzipnn.a)")
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
[ "$(pkg-config --modversion zipnn)" = "$("$prefix/bin/zipnn" --version | grep -o '[0-9.]*' | head -n 1)" ]

$build/tools/make_model "$work/model" 0
"$prefix/bin/zipnn" "$work/model" -o "$work/model.znn"
"$prefix/bin/zipnncat" "$work/model.znn" | cmp - "$work/model"
"$prefix/bin/unzipnn" --help >/dev/null
[ -e "$prefix/share/man/man1/unzipnn.1" ]

# file(1) and desktops know an archive, where those programs are.
if command -v file >/dev/null; then
    [ "$(file -b --mime-type -m "$prefix/share/zipnn/zipnn.magic" "$work/model.znn")" = application/x-zipnn ]
fi
if command -v update-mime-database >/dev/null; then
    cp -r "$prefix/share/mime" "$work/mime" && update-mime-database "$work/mime"
    grep -q "x-zipnn:\*.znn" "$work/mime/globs2"
fi

# try PROGRAM-FOLDER: runs the examples.
try() {
    "$1/compress_buffer" | grep identical
    "$1/read_tensor" "$work/model.znn" | grep model.norm.weight
    "$1/read_tensor" "$work/model.znn" model.norm.weight | cmp - <(tail -c $((768 * 2)) "$work/model")
    "$1/many_reads" "$work/model.znn" "$work/model.again"
    cmp "$work/model.again" "$work/model"
    for threads in 1 3; do "$1/multiply" "$work/model.znn" model.embed_tokens.weight $threads | grep identical; done
}

mkdir "$work/shared" "$work/static"
for name in compress_buffer read_tensor many_reads multiply; do
    cc -std=c11 -Wall -Werror -pthread examples/$name.c $(pkg-config --cflags --libs zipnn) -o "$work/shared/$name"
    cc -std=c11 -Wall -Werror -pthread examples/$name.c $(pkg-config --cflags zipnn) \
        -Wl,-Bstatic -lzipnn -Wl,-Bdynamic -L"$libdir" $(pkg-config --static --libs zipnn | sed 's/-lzipnn//') \
        -o "$work/static/$name"
done
try "$work/shared"
LD_LIBRARY_PATH= try "$work/static"

# What the example for llama.cpp uses of it.
cat >"$work/llama.h" <<'END'
#include <stdint.h>
#include <stdio.h>
enum llama_load_mode { LLAMA_LOAD_MODE_NONE };
struct llama_model;
struct llama_model_params { enum llama_load_mode load_mode; };
struct llama_model_params llama_model_default_params(void);
struct llama_model *llama_model_load_from_file_ptr(FILE *file, struct llama_model_params params);
uint64_t llama_model_n_params(const struct llama_model *model);
void llama_model_free(struct llama_model *model);
END
cc -std=c11 -Wall -Wextra -Werror -I"$work" -c examples/llama_load.c $(pkg-config --cflags zipnn) -o "$work/llama_load.o"

cat >"$work/use.cpp" <<'END'
#include <zipnn/stdio.h>
#include <zipnn/zipnn.h>

int main() {
    zipnn_ctx *ctx = nullptr;
    const bool ok = zipnn_create(nullptr, &ctx, nullptr) == ZIPNN_OK;
    zipnn_destroy(ctx);
    return ok ? 0 : 1;
}
END
c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror "$work/use.cpp" $(pkg-config --cflags --libs zipnn) -o "$work/use"
"$work/use"

cmake -S examples -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/cmake"
try "$work/cmake"
