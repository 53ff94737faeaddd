#!/bin/sh
# A daemon for each job, on each of its nodes, where none runs as a service: it may read the energy registers, which
# users may not, and the job's user may speak to it. In slurm.conf, with these files in /etc/slurm:
#   Prolog=/etc/slurm/prolog.sh
#   TaskProlog=/etc/slurm/task-prolog.sh
#   Epilog=/etc/slurm/epilog.sh
#   PrologFlags=Alloc
# Run by slurmd as root. Should it fail, the job runs all the same, and each rank measures with what its user may read.
set -u
smaragdined=${SMARAGDINED:-/usr/local/bin/smaragdined}
folder=${SMARAGDINE_JOBS:-/run/smaragdine-jobs}/$SLURM_JOB_ID
[ -x "$smaragdined" ] || exit 0
umask 022
mkdir -p "$folder/state" || exit 0
chmod 0700 "$folder/state"
group=$(id -gn "${SLURM_JOB_UID:-0}" 2>/dev/null) || exit 0
# A session of its own: slurmd ends what a prolog leaves in its process group.
setsid "$smaragdined" serve --socket "$folder/smaragdine.sock" --state-dir "$folder/state" --group "$group" \
    </dev/null >"$folder/log" 2>&1 &
echo $! >"$folder/pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -S "$folder/smaragdine.sock" ] && break
    sleep 0.2
done
exit 0
