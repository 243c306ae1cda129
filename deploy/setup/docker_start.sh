#!/bin/sh
# docker_start.sh USER PATIENCE_S HEALTH COMMAND...: run by docker_check.py as root inside the image's root and
# namespaces. Starts COMMAND as USER, waits until HEALTH passes, stops it, and sees that nothing is left running.
set -u
user=$1 patience_s=$2 health=$3
shift 3

# A new network namespace has its loopback down: 0x8914 is SIOCSIFFLAGS, 0x41 is UP and RUNNING.
python3 -c 'import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))' || exit 70

# An engine makes tini process 1; here that is this script.
TINI_SUBREAPER=1 chroot --userspec="$user" / "$@" &
server=$!
waited_s=0
until chroot --userspec="$user" / /bin/sh -c "$health" 2>/dev/null; do
    if ! kill -0 "$server" 2>/dev/null; then
        echo "the server ended before it was healthy"
        exit 71
    fi
    if [ "$waited_s" -ge "$patience_s" ]; then
        echo "not healthy after $patience_s s"
        exit 72
    fi
    sleep 2
    waited_s=$((waited_s + 2))
done
echo "healthy after about $waited_s s"

kill -TERM "$server"
wait "$server"
echo "told to stop, the server ended with $?"

# Python's resource tracker ends by itself a moment after the process that it served.
grace_s=10
while :; do
    left=""
    for process in /proc/[0-9]*; do
        id=${process#/proc/}
        line=$(tr '\0' ' ' 2>/dev/null <"$process/cmdline") # empty for a zombie
        if [ "$id" != 1 ] && [ "$id" != $$ ] && [ -n "$line" ]; then
            left="still running: $line"
        fi
    done
    [ -n "$left" ] && [ "$grace_s" -gt 0 ] || break
    sleep 1
    grace_s=$((grace_s - 1))
done
if [ -n "$left" ]; then
    echo "$left"
    exit 73
fi
