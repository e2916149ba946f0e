# --rm deletes a source only when its result is there and right.
. "$(dirname "$0")/cli_lib.sh"

model 200 m
cp m original
expect 0 zipnn --rm m
check test ! -e m
expect 0 zipnn -d --rm m.znn
check test ! -e m.znn
check cmp m original

# Nothing is deleted when anything fails.
echo precious >m.znn
expect 1 zipnn --rm m
check cmp m original
rm m.znn
expect 1 zipnn --rm m -o /dev/full
check cmp m original
expect 1 zipnn --rm m -o /dev/null
says "needs a result in a regular file"
check cmp m original
mkfifo pipe
for line in "--rm m -o pipe" "--rm -f m -o pipe" "--rm pipe" "-d --rm pipe -o x"; do
    expect 1 timeout 10 zipnn $line
    says "--rm"
done
check cmp m original
check sh -c '! cat m | zipnn --rm -o x.znn'
check test ! -e x.znn
for line in "-t --rm x" "-l --rm x" "cat --rm x" "extract --rm --tensor a x" "salvage --rm x -o y" "chain x --rm add y"; do
    expect 2 zipnn $line
    says "--rm goes with"
done
expect 2 zipnn --rm -c m
check cmp m original
zipnn m && printf x >>m.znn
expect 3 zipnn -df --rm m.znn
check test -e m.znn
check cmp m original

# -k takes it back; links lose the link only; standard input has no name to delete, be it a file or a pipe.
rm m.znn
expect 0 zipnn --rm -k m
check test -e m
ln -s m link
expect 0 zipnn --rm link
check test ! -L link
check cmp m original
for line in "- -o x.znn --rm" "--rm -o x.znn" "--rm" "-d --rm - -o x.znn"; do
    expect 1 sh -c "exec zipnn $line <m"
    says "--rm deletes a FILE; standard input cannot be deleted"
    check test ! -e x.znn
done
check cmp m original

# A file that another program writes, be it through a mapping, which need not move its times, is kept.
if command -v python3 >/dev/null && [ "$(uname)" = Linux ]; then
    rm -f m.znn
    cat >writer.py <<'END'
import mmap, subprocess, sys, time
with open("m", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[:] = memory[:]
    file.close()
    time.sleep(0.1)
    p = subprocess.Popen([sys.argv[1], "-q", "--rm", "m"])
    n = 0
    while p.poll() is None:
        memory[5000 + n % 10000] = n % 256
        n += 1
sys.exit(p.returncode)
END
    expect 1 python3 writer.py zipnn
    check test -e m
    cp original m
fi

# Nor does setting a file's times back hide that it was written. The bytes are those that were compressed, so that it
# shows in nothing else. Level 9 takes long enough for a writer that waits for the file to be open.
if command -v python3 >/dev/null && [ -d /proc/self/fd ]; then
    model 8000 slow
    rm -f slow.znn
    cat >writer.py <<'END'
import os, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-q9T1", "--rm", "slow"])
def reads(pid):
    fds = f"/proc/{pid}/fd"
    return any(os.path.realpath(f"{fds}/{n}") == os.path.realpath("slow") for n in os.listdir(fds))
while p.poll() is None and not reads(p.pid):
    time.sleep(0.001)
time.sleep(0.05)
before = os.stat("slow")
with open("slow", "r+b") as file:
    byte = file.read(1)
    file.seek(0)
    file.write(byte)
os.utime("slow", ns=(before.st_atime_ns, before.st_mtime_ns))
sys.exit(p.wait())
END
    expect 1 python3 writer.py zipnn
    says "changed since it was opened"
    check test -e slow
    rm -f slow slow.znn
fi

# A program that opens the file for writing just when that is asked about does not end this one by a signal.
if command -v python3 >/dev/null && [ "$(uname)" = Linux ]; then
    cat >opener.py <<'END'
import os, shutil, subprocess, sys
hammer = "import os\nwhile True:\n try: os.close(os.open('f', os.O_WRONLY | os.O_NONBLOCK))\n except OSError: pass"
shutil.copy("original", "f")
openers = [subprocess.Popen([sys.executable, "-c", hammer]) for _ in range(2)]
codes = set()
for i in range(150):
    shutil.copy("original", "f")
    codes.add(subprocess.run([sys.argv[1], "-qfT1", "--rm", "f"], stderr=subprocess.DEVNULL).returncode)
for opener in openers:
    opener.kill()
    opener.wait()
sys.exit(f"exit codes {codes}" if codes - {0, 1} else 0)
END
    expect 0 python3 opener.py zipnn
    rm -f f f.znn
fi

# Several: each on its own.
cp m one
cp m three
expect 1 zipnn --rm one two three
check test ! -e one
check test ! -e three
expect 0 zipnn -t one.znn three.znn

no_temporaries
finish
