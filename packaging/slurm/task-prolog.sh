#!/bin/sh
# What a TaskProlog prints as `export NAME=value` is in the environment of the task: where the job's daemon listens.
socket=${SMARAGDINE_JOBS:-/run/smaragdine-jobs}/$SLURM_JOB_ID/smaragdine.sock
[ -S "$socket" ] && echo "export SMARAGDINE_SOCKET=$socket"
exit 0
