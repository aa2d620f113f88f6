#!/bin/sh
# SPDX-License-Identifier: MIT-0
# Leaves a grandchild behind that has its own session, ignores SIGTERM and keeps the log pipe open:
# what a plain kill of the main process misses.
setsid sh -c 'trap "" TERM HUP INT; echo "grandchild $$ is here to stay"; while :; do sleep 3600; done' &
echo "main process $$"
wait
