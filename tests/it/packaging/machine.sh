#!/usr/bin/env bash
# Boots systemd on this machine's own files, with whatever it changes in memory and gone at its
# end; has it run the trial that stands in a folder, and turns it off.
#
#   machine.sh FOLDER     FOLDER/trial.sh is run, and its output goes to FOLDER/said
#
# Needs root, and what unshare, mount and cgroups ask for beyond that. Exits with 77 if that is
# not to be had here.
set -euo pipefail
folder=$(realpath "$1")
systemd=/lib/systemd/systemd
groups=/sys/fs/cgroup

# A group of its own, of which the machine sees nothing above.
[[ -d $groups/systemd ]] && group=$groups/systemd/trial-$$ || group=$groups/trial-$$

if [[ ${2:-} != inside ]]; then
    [[ -x $systemd ]] && mkdir "$group" 2>/dev/null || exit 77
    # What ran there is gone by then; systemd leaves groups of its own in it.
    trap 'find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true' EXIT
    unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net true 2>/dev/null || exit 77
    code=0
    (
        echo $BASHPID >"$group/cgroup.procs"
        exec unshare --mount --propagation private --pid --fork --kill-child --cgroup --uts --ipc --net \
            bash "$0" "$folder" inside >"$folder/console" 2>&1
    ) || code=$?
    [[ ! -e $folder/unfit ]] || exit 77
    exit 0
fi

# From here on in namespaces of its own.
unfit() {
    touch "$folder/unfit"
    exit 77
}
memory=$folder/memory
root=$memory/root
mkdir "$memory"
mount -t tmpfs none "$memory" && mkdir "$memory"/{upper,work,root} || unfit
mount -t overlay none -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$root" || unfit
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
for fresh in run tmp dev; do
    mount -t tmpfs none "$root/$fresh"
done
mkdir "$root"/dev/{shm,pts,mqueue,hugepages}
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
touch "$root/dev/console"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs none "$root/dev/shm"
if [[ -d $groups/systemd ]]; then
    mount -t tmpfs none "$root$groups"
    mkdir "$root$groups/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root$groups/systemd" || unfit
else
    mount -t cgroup2 cgroup2 "$root$groups" || unfit
fi
mkdir -p "$root/mnt"
mount --bind "$folder" "$root/mnt"
ip link set lo up 2>/dev/null || true

# Nothing but the trial is started, and nothing keeps packages from starting theirs.
rm -f "$root/usr/sbin/policy-rc.d"
units=$root/run/systemd/system
mkdir -p "$units"
cat >"$units/trial.target" <<'UNIT'
[Unit]
Requires=basic.target trial.service
UNIT
cat >"$units/trial.service" <<'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
StandardOutput=file:/mnt/said
StandardError=file:/mnt/said
ExecStart=/bin/bash /mnt/trial.sh
ExecStopPost=/bin/systemctl poweroff --force --force
UNIT
for unit in systemd-{udevd,udev-trigger,networkd,resolved,timesyncd,logind}.service; do
    ln -s /dev/null "$units/$unit"
done
mkdir "$root/.outside"
cd "$root"
pivot_root . .outside
umount -l /.outside
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin "$systemd" --system --unit=trial.target
