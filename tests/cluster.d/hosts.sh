# shellcheck shell=bash
# Hosts: a group of namespaces each (network, mounts, name, processes, IPC, boot time), all on one switch, which has a network
# namespace of its own: the machine's own network is never touched, and each cluster may use the same addresses. Sourced by
# tests/cluster.
# shellcheck disable=SC2154  # `state`, `hosts` and `here` come from there

NAMESPACES=(--mount --uts --net --pid --ipc)
# A host that comes back has to have booted since, or slurmctld believes that its jobs still run.
if [ -e /proc/self/ns/time ]; then
  NAMESPACES+=(--time)
fi

node_names() {
  seq -f 'n%g' "$hosts"
}

all_hosts() {
  echo login
  node_names
}

# Processes that are, or are about to be, the first of a host: by their arguments, whatever was written down. A line
# "process host" each.
find_first() {
  local pid
  for pid in $({ grep -lsxzF -- "$state" /proc/[0-9]*/cmdline || true; } | { xargs -r grep -lsxz -- '.*/cluster\.d/init\.sh' || true; } | cut -d / -f 3); do
    { tr '\0' '\n' < "/proc/$pid/cmdline"; } 2> /dev/null | tail -n 1 | sed "s/^/$pid /"
  done
}

# Processes that see a host's mounts: all of the host, and who entered it. (The number of a namespace would not do: once a
# host is dead, the next namespace on the machine may get it.)
find_members() {
  { grep -lsF -- " - tmpfs $state/hosts/$1 " /proc/[0-9]*/mountinfo || true; } | cut -d / -f 3
}

# The process that holds a host up; fails if it is down.
host_pid() {
  local pid
  { read -r pid < "$state/hosts/$1/pid"; } 2> /dev/null && grep -sxzFq -- "$state" "/proc/$pid/cmdline" && printf '%s\n' "$pid"
}

is_up() {
  host_pid "$1" > /dev/null
}

# Runs something as root inside a host.
inside() {
  local pid
  pid=$(host_pid "$1") || fail 4 "host $1 of cluster $name is down" "start it: tests/cluster start $name $1"
  shift
  nsenter --target "$pid" "${NAMESPACES[@]}" -- "$@" 9>&-
}

# Makes the directories of a host and its first process, and does not wait for it.
boot() {
  local host=$1 own=$state/hosts/$1 uptime clock=()
  mkdir -p "$own/tmp" "$own/spool"
  chmod 1777 "$own/tmp"
  rm -f -- "$own/pid"
  make_cgroups "$host" > "$own/cgroups"
  if [[ " ${NAMESPACES[*]} " == *" --time "* ]]; then
    read -r uptime _ < /proc/uptime
    clock=(--boottime "-${uptime%.*}")
  fi
  setsid unshare "${NAMESPACES[@]}" "${clock[@]}" -- bash "$here/cluster.d/init.sh" "$state" "$host"
}

# Waits for booted hosts and puts them on the network.
connect() {
  local host
  log=$state/log/init.switch wait_for 10 "the switch" is_up switch
  if ! on_switch ip link show dev br0 > /dev/null 2>&1; then
    on_switch ip -batch - <<< $'link add br0 type bridge\nlink set br0 up\nlink set lo up'
  fi
  for host in "$@"; do
    log=$state/log/init.$host wait_for 10 "host $host" is_up "$host"
    plug "$host"
  done
}

plug() {
  local host=$1 pid address
  pid=$(host_pid "$host")
  # What is left of the link of a host that died goes away a moment later by itself.
  on_switch ip link delete "v-$host" 2> /dev/null || true
  on_switch ip -batch - << END
link add v-$host type veth peer name eth0 netns $pid
link set v-$host master br0 up
END
  address=$(awk -v host="$host" '$2 == host { print $1 }' "$state/etc/hosts")
  inside "$host" ip -batch - << END
link set lo up
addr add $address/24 dev eth0
link set eth0 up
END
}

# Whether the host's cable is in, at both ends.
is_plugged() {
  [[ $(on_switch ip -br link show dev "v-$1" 2> /dev/null) == *' UP '* ]]
}

# Something with the switch's network and everything else of the machine: ip finds hosts by their process numbers.
on_switch() {
  nsenter --net="/proc/$(host_pid switch)/ns/net" -- "$@" 9>&-
}

# Ends everything that lives in these hosts.
end_hosts() {
  local pid host found
  while :; do
    found=()
    while read -r pid host; do
      [[ " $* " != *" $host "* ]] || found+=("$pid")
    done < <(find_first)
    for host in "$@"; do
      while read -r pid; do
        found+=("$pid")
      done < <(find_members "$host")
    done
    [ "${#found[@]}" -gt 0 ] || return 0
    kill -KILL "${found[@]}" 2> /dev/null || true
    log='' wait_for 30 "the end of the processes ${found[*]}" all_gone "${found[@]}"
  done
}

# Whether none of these processes runs. One whose parent never asks for it stays as a zombie; that is an end too.
all_gone() {
  local pid line
  for pid in "$@"; do
    if { read -r line < "/proc/$pid/stat"; } 2> /dev/null && [[ ! $line =~ \)\ [ZX] ]]; then
      return 1
    fi
  done
}

# The directory of this process in a controller of cgroup v1; fails where there is none that can be written.
cgroup_parent() {
  local mount own
  mount=$(awk -v controller="$1" '$3 == "cgroup" && ("," $4 ",") ~ ("," controller ",") { print $2; exit }' /proc/self/mounts)
  own=$(awk -F : -v controller="$1" '("," $2 ",") ~ ("," controller ",") { print $3; exit }' /proc/self/cgroup)
  [ -n "$mount" ] || return 1
  # In a container the path may be one of the machine outside.
  if [ -z "$own" ] || [ ! -d "$mount$own" ]; then
    own=
  fi
  [ -w "${mount}${own%/}" ] && printf '%s\n' "${mount}${own%/}"
}

# A part of the machine's hierarchies for one host: a line "controller directory" each.
make_cgroups() {
  local host=$1 controller parent directory
  local wanted=()
  [ "$memory" != cgroup ] || wanted+=(memory)
  [ "$proctrack" != cgroup ] || wanted+=(freezer)
  for controller in "${wanted[@]}"; do
    parent=$(cgroup_parent "$controller")
    directory=$parent/bandmaster.$name.$(stat -c %i -- "$state").$host
    # First said, then done.
    printf '%s %s\n' "$controller" "$directory" >> "$state/cgroups"
    mkdir -p -- "$directory"
    printf '%s %s\n' "$controller" "$directory"
  done
}

remove_cgroups() {
  local directory
  while read -r _ directory; do
    log='' wait_for 10 "the end of $directory" remove_tree "$directory"
  done < <(cat -- "$state/cgroups" 2> /dev/null)
}

# Directories alone: the files of a cgroup go with it.
remove_tree() {
  [ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir -- {} + 2> /dev/null
}
