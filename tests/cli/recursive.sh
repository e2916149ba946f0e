# -r takes model weights to compress and archives for the rest.
. "$(dirname "$0")/cli_lib.sh"

mkdir -p models/deep/er models/empty elsewhere
model 10 models/a.safetensors
cp models/a.safetensors models/deep/b.PT
cp models/a.safetensors models/deep/er/c.gguf
cp models/a.safetensors elsewhere/d.bin
echo text >models/README.md
echo hidden >models/.bin
ln -s ../elsewhere/d.bin models/linked.bin
ln -s .. models/deep/loop

expect 1 zipnn models
says "models: is a folder"
expect 0 zipnn -r models
for name in a.safetensors deep/b.PT deep/er/c.gguf linked.bin; do check test -e "models/$name.znn"; done
[ "$(find . -name '*.znn' | wc -l)" -eq 4 ] || fail "too much was compressed: $(find . -name '*.znn')"

# Again: everything is there; with -v what was left out is told.
expect 1 zipnn -rv models
says "models/README.md: skipped"
says "models/a.safetensors.znn: skipped"
says "already exists"
expect 0 zipnn -rf models/

expect 0 zipnn -tr models
expect 0 zipnn -lr models
prints "models/deep/er/c.gguf.znn"
cp models/a.safetensors elsewhere/original
find models -type f \( -name '*.PT' -o -name '*.gguf' -o -name '*.safetensors' \) -delete
expect 0 zipnn -dr --rm models elsewhere -f
for name in a.safetensors deep/b.PT deep/er/c.gguf linked.bin; do check cmp "models/$name" elsewhere/original; done
[ -z "$(find . -name '*.znn')" ] || fail "--rm left archives"

# A folder that cannot be read, and one that is not there, do not stop the rest.
expect 1 zipnn -r missing models
says "missing: cannot open"
check test -e models/a.safetensors.znn

no_temporaries
finish
