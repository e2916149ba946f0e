# A run that is stopped leaves no result and, if it can, no temporary file.
# What the caller ignores, as shells do for what they run in the background, is not to be ignored here.
[ -n "${SIGNALS_RESET:-}" ] || SIGNALS_RESET=1 exec env --default-signal bash "$0"
. "$(dirname "$0")/cli_lib.sh"

# start: a run that waits for the rest of its input, its temporary file written.
start() {
    mkfifo input
    { printf 'first bytes' && exec sleep 60; } >input &
    feeder=$!
    zipnn -o result <input 2>"$home/err" &
    program=$!
    for _ in $(seq 200); do
        [ -z "$(find . -name '.zipnn-*')" ] || return 0
        sleep 0.05
    done
    fail "no temporary file after ten seconds"
}

stop() {
    { wait "$program"; } 2>/dev/null
    code=$?
    kill "$feeder"
    { wait "$feeder"; } 2>/dev/null
    rm input
}

for signal in TERM HUP; do
    start
    [ "$(stat -c %a .zipnn-*)" = 644 ] || fail "mode of the temporary file"
    kill -$signal "$program"
    stop
    [ "$code" -eq $((128 + $(kill -l $signal))) ] || fail "exit code $code after SIG$signal"
    check test ! -e result
    no_temporaries
done

# Nobody can help against SIGKILL, yet there is no result.
start
kill -KILL "$program"
stop
[ "$code" -eq 137 ] || fail "exit code $code after SIGKILL"
check test ! -e result
rm -f .zipnn-*

# A signal that the caller ignores (nohup) is ignored.
trap '' HUP
start
trap - HUP
kill -HUP "$program"
sleep 0.3
check kill -0 "$program"
kill -TERM "$program"
stop
[ "$code" -eq 143 ] || fail "exit code $code after SIGTERM"
no_temporaries

# SIGINT reaches a program with job control only.
if command -v python3 >/dev/null; then
    check python3 - "$home/bin/zipnn" <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-o", "result"], stdin=subprocess.PIPE)
p.stdin.write(b"bytes")
p.stdin.flush()
for _ in range(200):
    if any(n.startswith(".zipnn-") for n in os.listdir(".")):
        break
    time.sleep(0.05)
p.send_signal(signal.SIGINT)
assert p.wait() == -signal.SIGINT, p.returncode
assert not any(n.startswith(".zipnn-") or n == "result" for n in os.listdir(".")), os.listdir(".")
END
fi

finish
