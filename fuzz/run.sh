#!/bin/sh
# Runs fuzz targets one after the other; ends at the first finding, which is in fuzz/artifacts/TARGET.
# usage: run.sh [SECONDS EACH [TARGET...]]
set -e
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- $(cd fuzz/fuzz_targets && ls | sed 's/\.rs$//')
for target; do
	case $target in
	sdp_*) dictionary=-dict=fuzz/sdp.dict ;;
	signaling) dictionary=-dict=fuzz/signaling.dict ;;
	*) dictionary= ;;
	esac
	mkdir -p "fuzz/corpus/$target"
	# An input that takes seconds is a finding, and so is one that takes much memory.
	cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
		-max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=64 \
		-print_final_stats=1 $dictionary
done
