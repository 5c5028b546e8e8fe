#!/bin/bash
# Checks tests/features.tsv: every row names a promised behaviour and the test that shows it; a test that does not exist fails.
# A row whose test is "-" is a promise not kept yet: it must give the reason in its third column.
# Forms: "core_json_test:Suite.case", "e2e:name", "machine:name", "golden:area", "arm:name", "fuzz:target", "sim:Suite.case", "fresh", "bench:figure".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Rooms write fragments; --assemble joins them.
if [[ ${1:-} == --assemble ]]; then
  cat tests/features.d/*.tsv >tests/features.tsv
  exit 0
fi
bad=0
complain() { echo "features.tsv: $*"; bad=1; }

while IFS=$'\t' read -r promise test reason; do
  [[ -n $promise && $promise != \#* ]] || continue
  case $test in
    -) [[ -n $reason ]] || complain "\"$promise\" has no test and no reason" ;;
    *_test:* | sim:*)
      name=${test#*:}
      [[ $name != */*.* ]] || name=${name#*/}  # the instance of a parametrized suite
      suite=${name%%.*} case=${name#*.}
      grep -rqE "TEST(_F|_P)?\($suite, *$case\)" tests --include='*.cc' || complain "\"$promise\": no test $test" ;;
    e2e:*) grep -rqE "def test_${test#e2e:}\b" tests/e2e || complain "\"$promise\": no test $test" ;;
    machine:*) grep -qE "def test_${test#machine:}\(" tests/machine/test_board.py || complain "\"$promise\": no test $test" ;;
    golden:*) [[ -f tests/golden/open/${test#golden:}.json ]] || complain "\"$promise\": no recording $test" ;;
    fuzz:*) find tests/fuzz -name "${test#fuzz:}.cc" | grep -q . || complain "\"$promise\": no target $test" ;;
    arm:* | fresh | bench:*) ;;
    *) complain "\"$promise\": unknown form of test ${test:-(none)}" ;;
  esac
done <tests/features.tsv
exit $bad
