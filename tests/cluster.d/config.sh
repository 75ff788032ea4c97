# shellcheck shell=bash
# What a cluster's files say: a pure function of its options. Sourced by tests/cluster.
# shellcheck disable=SC2154  # the options and `state` come from there

render_config() {
  local etc=$state/etc
  render_slurm > "$etc/slurm.conf"
  printf 'NodeName=n[1-%s] Name=gpu File=%s/dev/nvidia[0-1]\n' "$hosts" "$state" > "$etc/gres.conf"
  render_cgroup > "$etc/cgroup.conf"
  render_hosts > "$etc/hosts"
  { grep -v -E '^(ada|bob):' /etc/passwd; render_users; } > "$etc/passwd"
  { grep -v -E '^(ada|bob):' /etc/group; printf '%s\n' 'ada:x:20001:' 'bob:x:20002:'; } > "$etc/group"
  if [ "$accounting" = yes ]; then
    # slurmdbd refuses a file that others may read.
    (umask 077 && render_slurmdbd > "$etc/slurmdbd.conf")
  fi
}

# Quick where Slurm waits by default: credentials expire after 5 s (or each requeue waits two minutes), scheduling starts a
# tenth of a second after an event. More CPUs and memory are declared than the machine has (config_overrides).
render_slurm() {
  cat << END
ClusterName=$name
SlurmctldHost=login(10.77.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/hosts/%n/spool
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=$state/log/slurmctld
SlurmdLogFile=$state/log/slurmd.%n
SlurmdParameters=config_overrides
SlurmdTimeout=$node_timeout
ReturnToService=2
MpiDefault=none

ProctrackType=proctrack/$proctrack
TaskPlugin=task/$([ "$memory" = cgroup ] && echo cgroup || echo none)
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
$([ "$memory" != poll ] || echo "JobAcctGatherParams=OverMemoryKill")

SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SchedulerParameters=sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
KillWait=$kill_wait
MinJobAge=$min_job_age
MaxArraySize=$max_array

PreemptType=preempt/partition_prio
PreemptMode=$preempt
$([ "$user_signal" = no ] || echo "SlurmctldParameters=preempt_send_user_signal  # newer: PreemptParameters=send_user_signal")
JobRequeue=1

GresTypes=gpu
NodeName=n[1-$hosts] CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=DEFAULT Nodes=n[1-$hosts] State=UP $([ "$submit_from_nodes" = yes ] || echo "AllocNodes=login")
PartitionName=preempt Default=YES PriorityTier=1 PreemptMode=$preempt GraceTime=$grace
PartitionName=urgent PriorityTier=100 PreemptMode=OFF
END
  if [ "$accounting" = yes ]; then
    cat << END

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=login
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations,limits
END
  fi
}

# Memory is kept by cgroups where the machine has the memory controller of cgroup v1. Otherwise slurmd looks once a second
# and kills what is over its limit: what comes and goes between two looks is not seen.
render_cgroup() {
  printf '%s\n' CgroupPlugin=cgroup/v1 CgroupMountpoint=/run/cgroup CgroupAutomount=no
  if [ "$memory" = cgroup ]; then
    printf '%s\n' ConstrainRAMSpace=yes
    [ ! -e "$(cgroup_parent memory)/memory.memsw.limit_in_bytes" ] || printf '%s\n' ConstrainSwapSpace=yes AllowedSwapSpace=0
  fi
}

render_slurmdbd() {
  cat << END
DbdHost=login
SlurmUser=root
AuthType=auth/munge
StorageType=accounting_storage/mysql
StorageUser=root
StorageLoc=slurm
PidFile=/run/slurmdbd.pid
LogFile=$state/log/slurmdbd
END
}

render_hosts() {
  local number
  printf '127.0.0.1 localhost\n10.77.0.254 login\n'
  for number in $(seq "$hosts"); do
    printf '10.77.0.%s n%s\n' "$number" "$number"
  done
}

render_users() {
  printf 'ada:x:20001:20001:Ada:%s/shared/ada:/bin/bash\n' "$state"
  printf 'bob:x:20002:20002:Bob:%s/shared/bob:/bin/bash\n' "$state"
}

# For shells: what one needs to use the cluster.
render_env() {
  local root=${state%/*}
  printf '# The cluster %s. BANDMASTER_CLUSTER_ON, a host and a command run something on it.\n' "$name"
  printf 'export BANDMASTER_CLUSTER_ROOT=%q\n' "$root"
  printf 'export BANDMASTER_CLUSTER_NAME=%q\n' "$name"
  printf 'export BANDMASTER_CLUSTER_STATE=%q\n' "$state"
  printf 'export BANDMASTER_CLUSTER_ON=%q\n' "$here/cluster on $name"
  printf 'export BANDMASTER_CLUSTER_HOSTS=%q\n' "$(node_names | tr '\n' ' ' | sed 's/ $//')"
  printf 'export BANDMASTER_CLUSTER_SHARED=%q\n' "$state/shared"
  printf 'export BANDMASTER_CLUSTER_SUBNET=10.77.0.0/24\n'
  printf 'export BANDMASTER_CLUSTER_ACCOUNTING=%q\n' "$accounting"
  printf 'export BANDMASTER_CLUSTER_MEMORY=%q\n' "$memory"
  printf '# no: some directory above this repository keeps others out, and programs must be copied into the shared directory.\n'
  printf 'export BANDMASTER_CLUSTER_REPOSITORY_READABLE=%q\n' "$readable"
  printf '# On the hosts themselves it is /etc/slurm/slurm.conf, and no variable is needed.\n'
  printf 'export SLURM_CONF=%q\n' "$state/etc/slurm.conf"
}
