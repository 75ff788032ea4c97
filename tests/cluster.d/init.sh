#!/usr/bin/env bash
# The first process of a host of a cluster: makes the host's own view of the machine, then only reaps.
#
#   init.sh STATE HOST          started by `tests/cluster` in new namespaces, of which its first child is process 1
#
# All of a host hangs on that process: when it dies, the kernel kills every process of the host and takes the mounts and
# the network away with them. It is found by its arguments, so that nothing need be written down before it can be ended.
set -euo pipefail

main() {
  local state=$1 host=$2
  if [ "$$" -ne 1 ]; then
    # The lock of `tests/cluster up` is held until here, so that a `down` that got it sees this process.
    exec 9>&-
    bash -- "${BASH_SOURCE[0]}" "$state" "$host" < /dev/null > "$state/log/init.$host" 2>&1 &
    exit 0
  fi
  local own=$state/hosts/$host outer
  # Still the machine's /proc: the number by which the others know this process.
  read -r outer _ < /proc/self/stat
  hostname "$host"
  view "$state" "$own"
  printf '%s\n' "$outer" > "$own/pid.new"
  mv -- "$own/pid.new" "$own/pid"
  while :; do
    sleep infinity &
    wait "$!" || true
  done
}

# What only this host sees: its processes, /run (and in it the sockets of munge and MariaDB), /tmp, shared memory, boot id,
# and the cluster's users, names and configuration in the places where programs look for them.
view() {
  local state=$1 own=$2 file
  mount -t proc proc /proc
  # Its source is a name for whoever looks for the processes of this host.
  mount -t tmpfs -o mode=755 "$own" /run
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  mkdir /run/lock
  install -d -o munge -g munge /run/munge
  cat /proc/sys/kernel/random/uuid > "$own/boot_id"
  mount --bind "$own/boot_id" /proc/sys/kernel/random/boot_id
  mount --bind "$own/tmp" /tmp
  for file in passwd group hosts; do
    mount --bind "$state/etc/$file" "/etc/$file"
  done
  mount --bind "$state/etc" /etc/slurm
  local controller directory
  while read -r controller directory; do
    # A part of the machine's hierarchy that no other host uses; Slurm takes it for the root.
    mkdir -p "/run/cgroup/$controller"
    mount --bind "$directory" "/run/cgroup/$controller"
  done < "$own/cgroups"
}

main "$@"
