#!/usr/bin/env bash
# Keeps namespaces for the processes, mounts and network of a cluster until its standard input ends: machine.sh NAME NUMBER.
# It prints the id of the first process. When that process ends, the kernel ends all others and removes the namespaces.
set -euo pipefail
name=$1 number=$2

# Removes everything. This works at every point of the start.
remove() {
    set +e
    kill -KILL $(pgrep --parent "$parent") 2>/dev/null || kill -KILL "$parent" 2>/dev/null
    wait "$parent" 2>/dev/null
    ip link delete "$name" 2>/dev/null
    find /sys/fs/cgroup/*/"$name" -depth -type d -exec rmdir {} \; 2>/dev/null
}

# A signal to the whole group of the tests must not end the script before it has removed everything.
trap '' INT TERM HUP
# The folders of cgroups reserve the name.
mkdir $(printf "%s/$name " $(dirname /sys/fs/cgroup/*/cgroup.procs))
parent=
trap remove EXIT

# kubelet writes these settings of the machine, so it gets files in their place.
setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private bash -euo pipefail -c '
    for path in /run /var/lib /var/log; do
        mount -t tmpfs tmpfs "$path"
    done
    for setting in kernel/panic kernel/panic_on_oops vm/overcommit_memory; do
        cat "/proc/sys/$setting" >"/run/${setting#*/}"
        mount --bind "/run/${setting#*/}" "/proc/sys/$setting"
    done
    exec -a "$0" catatonit -P' "$name" </dev/null >/dev/null &
parent=$!
until first=$(pgrep --parent "$parent" --exact catatonit); do
    kill -0 "$parent"
    sleep 0.1
done

inside=(nsenter --target "$first" --net ip)
ip link add "$name" type veth peer name eth0 netns "$first"
ip address add "10.99.$number.1/24" dev "$name"
ip link set "$name" up
"${inside[@]}" link set lo up
"${inside[@]}" address add "10.99.$number.2/24" dev eth0
"${inside[@]}" link set eth0 up
"${inside[@]}" route add default via "10.99.$number.1"
ip route add "10.244.$number.0/24" via "10.99.$number.2"

echo "$first"
cat >/dev/null
