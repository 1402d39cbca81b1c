#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# rpcgen names what it includes after its input's path and does not overwrite
# its output: give it a bare name and a fresh output.

set -eu

rpcgen=$1 mode=$2 input=$3 output=$4

case $output in
    /*) ;;
    *) output=$PWD/$output ;;
esac
rm -f "$output"
cd "$(dirname "$input")"
"$rpcgen" "$mode" -o "$output" "$(basename "$input")"
