# A run that is stopped leaves no result and, if it can, no temporary file.
# What the caller ignores, as shells do for what they run in the background, is not to be ignored here.
[ -n "${SIGNALS_RESET:-}" ] || SIGNALS_RESET=1 exec env --default-signal bash "$0"
. "$(dirname "$0")/cli_lib.sh"

# The temporary file of the program: with a name, or as its open file that has none.
temporary() {
    find . -name '.zipnn-*'
    find "/proc/$program/fd" -lname "$PWD/*(deleted)" 2>/dev/null
}

# start: a run that waits for the rest of its input, its temporary file written.
start() {
    mkfifo input
    { printf 'first bytes' && exec sleep 60; } >input &
    feeder=$!
    zipnn -o result <input 2>"$home/err" &
    program=$!
    for _ in $(seq 200); do
        [ -z "$(temporary)" ] || return 0
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

ulimit -c 0
# SIGUSR1 only asks how far it is.
start
kill -USR1 "$program"
for _ in $(seq 200); do
    grep -q "^zipnn: .*B/s, stdin$" "$home/err" && break
    sleep 0.05
done
grep -q "^zipnn: .*B/s, stdin$" "$home/err" || fail "no answer to SIGUSR1"
check kill -TERM "$program"
stop
[ "$code" -eq 143 ] || fail "exit code $code after SIGUSR1 and SIGTERM"
check test ! -e result

for signal in TERM HUP USR2 PIPE ALRM XCPU; do
    start
    [ "$(stat -L -c %a $(temporary))" = 644 ] || fail "mode of the temporary file"
    kill -$signal "$program"
    stop
    [ "$code" -eq $((128 + $(kill -l $signal))) ] || fail "exit code $code after SIG$signal"
    check test ! -e result
    no_temporaries
done

# Nobody can help against SIGKILL, yet there is no result; a temporary without a name is gone, too.
start
named=$(find . -name '.zipnn-*')
kill -KILL "$program"
stop
[ "$code" -eq 137 ] || fail "exit code $code after SIGKILL"
check test ! -e result
[ -n "$named" ] || no_temporaries
rm -f .zipnn-*

# A reader of its messages that goes away while the result is written.
numbers 300000 m
mkfifo messages
(sleep 0.2 <messages) &
zipnn --json m m -f >messages 2>"$home/err" </dev/null
code=$?
[ $code -eq 141 ] || [ $code -eq 0 ] || fail "exit code $code after SIGPIPE"
wait
no_temporaries

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

# SIGINT and SIGQUIT reach a program with job control only.
if command -v python3 >/dev/null; then
    for signal in SIGINT SIGQUIT; do
        check python3 - "$home/bin/zipnn" $signal <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-o", "result"], stdin=subprocess.PIPE)
p.stdin.write(b"bytes")
p.stdin.flush()
def temporaries():
    fds = f"/proc/{p.pid}/fd"
    for n in os.listdir(fds) if os.path.isdir(fds) else []:
        try:
            yield os.readlink(fds + "/" + n)
        except FileNotFoundError:
            pass
    yield from os.listdir(".")
for _ in range(200):
    if any(n.startswith(".zipnn-") or n.endswith("(deleted)") for n in temporaries()):
        break
    time.sleep(0.05)
wanted = signal.Signals[sys.argv[2]]
p.send_signal(wanted)
assert p.wait() == -wanted, p.returncode
assert not any(n.startswith(".zipnn-") or n == "result" for n in os.listdir(".")), os.listdir(".")
END
    done
fi

finish
