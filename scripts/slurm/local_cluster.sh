#!/usr/bin/env bash
# A real SLURM on this one machine, for trying out and for tests: controller, nodes and accounting, all in one folder.
#
#   scripts/slurm/local_cluster.sh install          the Debian packages that are missing (as root)
#   scripts/slurm/local_cluster.sh up FOLDER [N]    starts it with N virtual nodes (1)
#   eval "$(scripts/slurm/local_cluster.sh env FOLDER)"    lets sbatch, squeue and train.py find it
#   scripts/slurm/local_cluster.sh down FOLDER      stops it; the folder can be removed then
set -euo pipefail

daemons=(munged mariadbd slurmdbd slurmctld slurmd)
ports=${LOCAL_CLUSTER_PORTS:-27800}  # the first of ten
controller=$((ports + 1)) database=$((ports + 2)) accounts=$((ports + 3)) first_node=$((ports + 4))

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
fail() { echo "local_cluster: $1" >&2; exit 1; }

wait_for() {  # seconds, what, command …
  local tries=$(($1 * 5)) what=$2
  shift 2
  while ! "$@" >/dev/null 2>&1; do
    ((tries-- > 0)) || fail "$what did not come up; see the logs in $folder/log"
    sleep 0.2
  done
}

installed() {
  local daemon
  for daemon in "${daemons[@]}"; do command -v "$daemon" >/dev/null || return 1; done
}

install_packages() {
  if installed; then return; fi
  # Debian would start what it installs; nothing of this machine's own is wanted
  local keep=
  [[ -e /usr/sbin/policy-rc.d ]] || { keep=/usr/sbin/policy-rc.d; printf '#!/bin/sh\nexit 101\n' >"$keep"; chmod +x "$keep"; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    munge slurm-client slurmctld slurmd slurmdbd slurm-wlm-mysql-plugin mariadb-server
  [[ -z $keep ]] || rm "$keep"
}

start_munge() {
  head -c 1024 /dev/urandom >"$folder/munge/key"
  chmod 400 "$folder/munge/key"
  munged --key-file="$folder/munge/key" --seed-file="$folder/munge/seed" --socket="$folder/run/munge" \
    --pid-file="$folder/munge/munged.pid" --log-file="$folder/munge/munged.log" --num-threads=2
}

sql() { mariadb --no-defaults --socket="$folder/run/sql" --user=root "$@"; }

start_accounting() {  # without it nobody can tell that a job was killed
  mariadb-install-db --no-defaults --user="$me" --datadir="$folder/sql" --skip-test-db \
    --auth-root-authentication-method=normal >"$folder/log/mariadb-install.log" 2>&1
  setsid mariadbd --no-defaults --user="$me" --datadir="$folder/sql" --socket="$folder/run/sql" \
    --pid-file="$folder/run/mariadbd.pid" --port=$database --bind-address=127.0.0.1 \
    --innodb-buffer-pool-size=64M --log-error="$folder/log/mariadbd.log" </dev/null >/dev/null 2>&1 &
  wait_for 30 "the database" sql -e "select 1"
  sql -e "create database accounts; create user slurm@'127.0.0.1' identified by 'slurm';
          create user slurm@localhost identified by 'slurm';
          grant all on accounts.* to slurm@'127.0.0.1'; grant all on accounts.* to slurm@localhost;"
  cat >"$folder/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge
DbdHost=$machine
DbdAddr=127.0.0.1
DbdPort=$accounts
SlurmUser=$me
LogFile=$folder/log/slurmdbd.log
PidFile=$folder/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$database
StorageUser=slurm
StoragePass=slurm
StorageLoc=accounts
CONF
  chmod 600 "$folder/slurmdbd.conf"
  slurmdbd
  wait_for 30 "the accounting" sacctmgr -n list cluster
  sacctmgr -i add cluster here >/dev/null
}

write_config() {
  local memory node
  memory=$(awk -v n="$nodes" '/MemTotal/ {print int($2 / 1024 * 0.8 / n)}' /proc/meminfo)
  cat >"$SLURM_CONF" <<CONF
ClusterName=here
SlurmctldHost=$machine(127.0.0.1)
SlurmctldPort=$controller
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge,cred_expire=10
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=10
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$accounts
AccountingStoragePass=$folder/run/munge
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
  for ((node = 1; node <= nodes; node++)); do
    echo "NodeName=n$node NodeHostname=$machine NodeAddr=127.0.0.1 Port=$((first_node + node))" \
      "CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=$memory State=UNKNOWN" >>"$SLURM_CONF"
  done
}

all_idle() { [[ $(sinfo -h -t idle -o %D) == "$nodes" ]]; }

up() {
  local node
  installed || fail "SLURM is not installed; run $0 install"
  [[ ! -e $folder/slurm.conf ]] || fail "$folder holds a cluster; stop it and remove the folder"
  ((${#folder} < 70)) || fail "$folder: sockets need a shorter path"
  mkdir -p "$folder"/{munge,run,log,state}
  chmod 755 "$folder" "$folder/run"
  chmod 700 "$folder/munge"
  start_munge
  write_config
  start_accounting
  slurmctld -c -f "$SLURM_CONF"
  for ((node = 1; node <= nodes; node++)); do
    mkdir -p "$folder/spool-n$node"
    slurmd -f "$SLURM_CONF" -N "n$node"
  done
  wait_for 30 "the nodes" all_idle
  sinfo
}

down() {
  local pid file running=()
  if [[ -s $folder/run/slurmctld.pid ]]; then  # jobs would outlive their node
    timeout 10 scancel --user="$me" || true
    for _ in {1..100}; do [[ -n $(timeout 10 squeue -h) ]] || break; sleep 0.2; done
  fi
  for file in "$folder"/run/slurmd-*.pid "$folder"/run/{slurmctld,slurmdbd,mariadbd}.pid "$folder/munge/munged.pid"; do
    [[ -s $file ]] || continue
    pid=$(<"$file")
    kill "$pid" 2>/dev/null && running+=("$pid")
    sleep 0.3  # each says goodbye to the next
  done
  for pid in "${running[@]}"; do
    for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  done
}

[[ $# -ge 1 ]] || usage
[[ $1 == install || $# -ge 2 ]] || usage
folder=$(realpath -m "${2:-.}") nodes=${3:-1} me=$(id -un) machine=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf
case $1 in
  install) install_packages ;;
  up) up ;;
  down) down ;;
  env) echo "export SLURM_CONF='$SLURM_CONF' MASTER_ADDR=127.0.0.1" ;;  # virtual nodes have no names of their own
  *) usage ;;
esac
