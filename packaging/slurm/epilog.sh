#!/bin/sh
# Ends the job's daemon. SIGTERM lets recordings end by themselves, and what still runs is finished within ten seconds.
set -u
folder=${SMARAGDINE_JOBS:-/run/smaragdine-jobs}/$SLURM_JOB_ID
[ -f "$folder/pid" ] || exit 0
pid=$(cat "$folder/pid")
kill "$pid" 2>/dev/null
for _ in $(seq 60); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.2
done
# Journals that nobody fetched stay for an administrator to look at; an empty state is nothing to keep.
rm -rf "${folder:?}/smaragdine.sock" "$folder/pid"
rmdir "$folder/state" 2>/dev/null && rm -rf "${folder:?}"
exit 0
