#!/usr/bin/env bash
# Merges an adapter of q and v on a file system that shares blocks, in turn with `cp --reflink=never` of the base, and tells
# the ratio of their times and the bytes that the file system has more in use after the merge.
#
#   docs/benchmarks/shared_blocks.sh xfs|btrfs PROGRAMS [RUNS [SIZE [IMAGE_FOLDER]]]
#
# PROGRAMS is the folder of `safemerge` and `MergeBenchmark`. As root on Linux; mkfs.xfs (xfsprogs) or mkfs.btrfs (btrfs-progs).
# The image, 12 GB at most, lies in IMAGE_FOLDER (/dev/shm). Both programs end with their result on the disk.
set -euo pipefail
kind=$1 programs=$(cd "$2" && pwd) runs=${3:-5} size=${4:-1.2b} images=${5:-/dev/shm}

if [ "$(id -u)" -ne 0 ] || ! command -v "mkfs.$kind" >/dev/null; then
  echo "skipped: this needs root and mkfs.$kind" >&2
  exit 0
fi
work=$(mktemp -d)
image=$(mktemp "$images/shared-blocks.XXXXXX")
cleanup() {
  mountpoint -q "$work" && umount "$work"
  rm -f "$image"
  rmdir "$work"
}
trap cleanup EXIT
truncate -s 12G "$image"
"mkfs.$kind" -q "$image" >/dev/null
if ! mount -o loop "$image" "$work"; then
  echo "skipped: an image of $kind can't be mounted here" >&2
  exit 0
fi

"$programs/MergeBenchmark" make "$work/made" --size "$size" --targets q,v >/dev/null
weights=$(find "$work/made/base" -name '*.safetensors')
sync -f "$work"

# Bytes in use once the file system has freed what was removed, which it does some time later.
used() {
  local last=-1 now
  sync -f "$work"
  now=$(df -B1 --output=used "$work" | tail -1)
  until [ "$now" = "$last" ]; do
    sleep 1
    sync -f "$work"
    last=$now now=$(df -B1 --output=used "$work" | tail -1)
  done
  echo "$now"
}
seconds() {
  local start end
  start=$(date +%s%N)
  "$@" >/dev/null 2>&1
  sync -f "$work"
  end=$(date +%s%N)
  echo $(((end - start) / 1000000))
}
copy() { mkdir "$work/copy" && cp --reflink=never $weights "$work/copy"; }
merge() { "$programs/safemerge" merge --quiet "$work/made/base" "$work/made/adapter" -o "$work/merged"; }

echo "round  merge ms    cp ms  merge/cp  bytes more in use"
for round in $(seq 0 "$runs"); do
  if [ $((round % 2)) -eq 0 ]; then copied=$(seconds copy); fi
  before=$(used)
  merged=$(seconds merge)
  more=$(($(used) - before))
  if [ $((round % 2)) -eq 1 ]; then copied=$(seconds copy); fi
  rm -r "$work/copy" "$work/merged"
  sync -f "$work"
  # The first round warms the caches and does not count.
  if [ "$round" -gt 0 ]; then
    echo "$merged $copied $more" | awk '{ printf "%d %d %.3f %.0f\n", $1, $2, $1 / $2, $3 }' | tee -a "$images/rounds.$$" |
      awk -v round="$round" '{ printf "%5d %9d %8d %9s  %s\n", round, $1, $2, $3, $4 }'
  fi
done
sort -g -k 3 "$images/rounds.$$" | awk '{ ratio[NR] = $3; if ($4 > most) most = $4 }
  END { printf "merge/cp median %s, %s to %s; at most %.0f bytes more in use\n", ratio[int((NR + 1) / 2)], ratio[1], ratio[NR], most }'
rm -f "$images/rounds.$$"
