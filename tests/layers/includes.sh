#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Greps a source tree for #includes that go up the layers. Prints them, and fails if there are any.
set -u
src=$1
found=0

forbid() { # layer, the layers above it
        if grep -HnE "#include \"($2)/" "$src/$1"/*.[ch]; then found=1; fi
}

forbid util 'model|init|io|core|bus|ctl'
forbid model 'init|io|core|bus|ctl'
forbid init 'model|io|core|bus|ctl'
forbid io 'core|bus|ctl'
forbid core 'bus|ctl'
forbid bus 'ctl'
forbid ctl 'model|init|io|core|bus'
exit $found
