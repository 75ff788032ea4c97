# shellcheck shell=bash
# The daemons of a cluster, each inside its host. Sourced by tests/cluster.
# shellcheck disable=SC2154  # `state`, `hosts`, `name` and the options come from there
# shellcheck disable=SC2016  # what stands in single quotes is expanded inside the host

# Whether the daemon of a pid file lives. Pid files and numbers are those inside the host.
daemon_lives() {
  inside "$1" sh -c 'read -r pid < "$1" && kill -0 "$pid"' sh "$2" 2> /dev/null
}

# Ends a daemon (signal, host, pid file) and waits until it is gone.
end_daemon() {
  local signal=$1 host=$2 file=$3 pid
  pid=$(inside "$host" cat "$file" 2> /dev/null) || return 0
  inside "$host" kill -"$signal" "$pid" 2> /dev/null || return 0
  log='' wait_for 30 "the end of ${file##*/} on $host" inside "$host" sh -c '! kill -0 "$1" 2> /dev/null' sh "$pid"
}

# --- munge: one daemon a host, one key a cluster.

start_munge() {
  if daemon_lives "$1" /run/munge/munged.pid; then return; fi
  log=$state/log/munged.$1 run_daemon inside "$1" setpriv --reuid=munge --regid=munge --clear-groups munged --force \
    --key-file="$state/munge/key" --log-file="$state/munge/$1.log" --seed-file="$state/munge/$1.seed" --pid-file=/run/munge/munged.pid
}

stop_munge() {
  end_daemon TERM "$1" /run/munge/munged.pid
}

# --- Accounting: MariaDB with its own data, socket and log, reached through the socket alone, and slurmdbd.

install_database() {
  inside login mariadb-install-db --no-defaults --user=mysql --datadir="$state/mariadb" --auth-root-authentication-method=socket \
    --skip-test-db --skip-name-resolve --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0 > "$state/log/mariadb-install" 2>&1
}

start_database() {
  if daemon_lives login /run/mysqld/mysqld.pid; then return; fi
  # Flushed rarely: what a crash of the machine would lose is lost with the cluster anyway.
  inside login bash -c 'install -d -o mysql -g mysql /run/mysqld; setsid mariadbd "$@" < /dev/null >> "$0" 2>&1 &' "$state/log/mariadb" \
    --no-defaults --user=mysql --datadir="$state/mariadb" --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid \
    --skip-networking --skip-name-resolve --performance-schema=OFF --innodb-buffer-pool-size=32M --innodb-log-file-size=8M \
    --innodb-flush-log-at-trx-commit=0 --innodb-lock-wait-timeout=900
  log=$state/log/mariadb wait_for 60 "MariaDB" database_answers
}

database_answers() {
  inside login mariadb-admin --no-defaults --socket=/run/mysqld/mysqld.sock --silent ping > /dev/null 2>&1
}

start_dbd() {
  start_database
  if daemon_lives login /run/slurmdbd.pid; then return; fi
  log=$state/log/slurmdbd run_daemon inside login slurmdbd
  log=$state/log/slurmdbd wait_for 60 "slurmdbd" inside login bash -c 'exec 3<> /dev/tcp/login/6819' 2> /dev/null
}

stop_dbd() {
  end_daemon TERM login /run/slurmdbd.pid
}

# The users' associations, without which nothing may be submitted.
add_users() {
  local limit=()
  [ -z "$max_submit" ] || limit+=("MaxSubmitJobs=$max_submit")
  log=$state/log/sacctmgr
  {
    inside login sacctmgr -i add cluster "$name"
    inside login sacctmgr -i add account lab
    inside login sacctmgr -i add user root,bob account=lab
    inside login sacctmgr -i add user ada account=lab "${limit[@]}"
  } > "$log" 2>&1
}

# --- slurmctld and slurmd

start_ctld() {
  if daemon_lives login /run/slurmctld.pid; then return; fi
  # The first start without a saved state has to be asked for.
  local first=()
  [ -e "$state/ctld/job_state" ] || first+=(-i)
  log=$state/log/slurmctld run_daemon inside login slurmctld "${first[@]}"
  log=$state/log/slurmctld wait_for 60 "slurmctld" ctld_answers
  log=$state/log/slurmctld wait_for 60 "the nodes that slurmctld does not know yet" nodes_known
}

# Whether slurmctld has heard of every node that can speak.
nodes_known() {
  local host unknown
  unknown=$(inside login sinfo -h -N -t unknown -o '%N' 2> /dev/null | sort -u)
  for host in $unknown; do
    if is_up "$host" && is_plugged "$host" && daemon_lives "$host" /run/slurmd.pid && daemon_lives "$host" /run/munge/munged.pid; then
      return 1
    fi
  done
}

ctld_answers() {
  [[ $(inside login scontrol ping 2> /dev/null) == *'is UP'* ]]
}

stop_ctld() {
  end_daemon TERM login /run/slurmctld.pid
}

forget_ctld() {
  stop_ctld
  find "$state/ctld" -mindepth 1 -delete
  start_ctld
}

start_slurmd() {
  if daemon_lives "$1" /run/slurmd.pid; then return; fi
  log=$state/log/slurmd.$1 run_daemon inside "$1" slurmd
}

nodes_idle() {
  [ "$(inside login sinfo -h -N -p preempt -o '%T' 2> /dev/null | grep -c -x idle)" = "$hosts" ]
}

# A daemon that goes to the background by itself; what it says before that belongs to its log.
run_daemon() {
  local status=0
  "$@" < /dev/null >> "$log.start" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    cat -- "$log.start" >> "$log"
    show_log
    fail 1 "'${*:2}' failed to start (exit code $status)"
  fi
}

# All daemons of a host that do not run yet.
start_host() {
  start_munge "$1"
  if [ "$1" != login ]; then
    start_slurmd "$1"
    return
  fi
  if [ "$accounting" = yes ]; then
    start_dbd
  fi
  start_ctld
}
