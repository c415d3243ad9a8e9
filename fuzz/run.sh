#!/bin/sh
# Runs fuzz targets one after the other; ends at the first finding, which is in fuzz/artifacts/TARGET.
# usage: run.sh [SECONDS EACH [TARGET...]]
set -e
cd "$(dirname "$0")/.."
PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
say() { printf 'fuzz: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

cargo +nightly --version >/dev/null 2>&1 ||
	die "there is no nightly compiler, which fuzzing needs; run: rustup toolchain install nightly --profile minimal"
cargo fuzz --version >/dev/null 2>&1 ||
	die "cargo-fuzz is missing; run: cargo install cargo-fuzz --locked"
seconds=${1:-60}
case $seconds in
'' | 0* | *[!0-9]*) die "usage: fuzz/run.sh [SECONDS EACH [TARGET...]]; '$seconds' is no number of seconds" ;;
esac
[ $# -eq 0 ] || shift
all=$(cd fuzz/fuzz_targets && ls | sed 's/\.rs$//')
[ $# -gt 0 ] || set -- $all
for target; do
	[ -e "fuzz/fuzz_targets/$target.rs" ] || die "there is no target '$target', but:" $all
done

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for target; do
	case $target in
	sdp_*) dictionary=-dict=fuzz/sdp.dict ;;
	signaling) dictionary=-dict=fuzz/signaling.dict ;;
	*) dictionary= ;;
	esac
	mkdir -p "fuzz/corpus/$target"
	say "$target, for $seconds s"
	# An input that takes seconds is a finding, and so is one that takes much memory.
	{
		cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
			-max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=64 \
			-print_final_stats=1 $dictionary 2>&1 || echo "fuzz: failed"
	} | tee "$log" >&2
	if grep -q '^fuzz: failed' "$log"; then
		die "$target did not run to its end; an input that broke something is in fuzz/artifacts/$target: mend that, and keep the input in fuzz/seeds/$target"
	fi
	say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
done
say "nothing found by: $*"
