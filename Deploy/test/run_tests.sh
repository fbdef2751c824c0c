#!/usr/bin/env bash
# swift test with the arguments given; what failed is said once more at the end, where it is read also in a log that was cut short.
set -uo pipefail
log=.build-test/tests.log
swift test "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
    echo "--- what failed:"
    grep -E '✘|error:|↳' "$log" | cut -c1-1000 | tail -60
fi
exit "$status"
