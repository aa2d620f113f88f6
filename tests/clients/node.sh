#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Brings dbus-next from npm into a folder of the build, once, and plays the scenario with it. Exits
# 77 where there is no npm, or no registry to be reached.
#
#   node.sh FOLDER SIDECARD-INIT EXAMPLES
set -eu

command -v npm >/dev/null || { echo "Skipped: no npm"; exit 77; }

# Without its optional part, which is native code for passing descriptors: nothing here needs any.
[ -d "$1/node_modules/dbus-next" ] ||
        timeout 120 npm install --prefix "$1" --omit=optional --ignore-scripts --no-audit --no-fund \
                --loglevel=error dbus-next@0.10.2 ||
        { echo "Skipped: npm cannot install dbus-next"; exit 77; }

export NODE_PATH=$1/node_modules
exec /usr/bin/python3 "$(dirname "$0")/play.py" "$2" "$3" node "$3/clients/node-dbus-next.js"
