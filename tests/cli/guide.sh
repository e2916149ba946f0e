# Every block of commands in doc/guide works as it stands, with these files in the folder.
. "$(dirname "$0")/cli_lib.sh"
guide=$(cd "$(dirname "$0")/../../doc/guide" && pwd)
source=$(cd "$guide/../.." && pwd)

# changed FROM TO BYTE: a copy in which some bytes near the end are others.
changed() {
    cp "$1" "$2"
    for at in 9 409 809; do
        printf '%s' "$3" | dd of="$2" bs=1 seek=$(($(stat -c %s "$2") - at)) conv=notrunc 2>/dev/null
    done
}
scene() {
    model 12000 model.safetensors
    changed model.safetensors tuned.safetensors T
    changed model.safetensors step-100.safetensors 1
    changed model.safetensors step-200.safetensors 2
    changed model.safetensors step-300.safetensors 3
    cp model.safetensors old.safetensors
    cp model.safetensors new.safetensors
    mkdir -p models store hub/models--a/blobs hub/models--a/snapshots/1
    changed model.safetensors models/one.safetensors A
    changed model.safetensors store/two.safetensors B
    model 300 hub/models--a/blobs/0123
    ln -s ../../blobs/0123 hub/models--a/snapshots/1/model.safetensors
}

# A pkg-config that knows this build, and an aws that keeps its buckets in a folder.
cat >"$home/bin/pkg-config" <<END
#!/bin/sh
echo "-I$source/include -L$(dirname "$ZIPNN") -lzipnn -Wl,-rpath,$(dirname "$ZIPNN")"
END
cat >"$home/bin/aws" <<END
#!/bin/bash
to_file() { case \$1 in s3://*) mkdir -p "$home/s3" && echo "$home/s3/\$(basename "\$1")" ;; -) echo "\$2" ;; esac; }
cat "\$(to_file "\$3" /dev/stdin)" >"\$(to_file "\$4" /dev/stdout)"
END
chmod +x "$home/bin/pkg-config" "$home/bin/aws"

# blocks LANGUAGE PAGE: what stands in its blocks.
blocks() {
    sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/{/^\`\`\`/d;p}" "$2"
}

ran=0
for page in "$guide"/*.md; do
    name=$(basename "$page" .md)
    [ "$name" != README ] || continue
    mkdir "$name" && cd "$name" || exit 1
    scene
    blocks c "$page" >program.c
    if [ "$name" = embed ] && ! cc -std=c11 program.c $("$home/bin/pkg-config") -o try 2>/dev/null; then
        echo "embed: this build's library cannot be linked by cc alone, so the page is not run"
        cd ..
        continue
    fi
    case $name in
        download) zipnn -q model.safetensors && sha256sum model.safetensors >SHA256SUMS ;;
        ci | recompress) zipnn -rq models ;;
        damage)
            zipnn -q model.safetensors -o damaged.znn
            printf 'XXXX' | dd of=damaged.znn bs=1 seek=$(($(stat -c %s damaged.znn) / 3)) conv=notrunc 2>/dev/null
            ;;
    esac
    { echo "set -euo pipefail"; blocks sh "$page"; } >"$home/commands"
    check bash "$home/commands"
    ran=$((ran + 1))
    check grep -q "]($name.md)" "$guide/README.md"
    cd .. || exit 1
done
[ "$ran" -ge 9 ] || fail "$ran pages were run"
no_temporaries
finish
