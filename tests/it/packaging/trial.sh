# What an operator does with the package, on a machine of its own: see machine.sh.
set -euxo pipefail
cd /mnt

wait_for() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        "$@" && return
        sleep 0.1
    done
    echo "not within 10 s: $*"
    exit 1
}
of() { systemctl show --value --property="$2" "$1"; }
fits() { [[ $(of "$1" "$2") == $3 ]]; }
# Names that are the package's.
named() { find /etc /usr /var /lib/systemd /run -xdev -name '*etcd-sd*' -not -path '*/dpkg/*' -not -path '/var/cache/*' | sort; }
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
file=/var/lib/etcd-sd/tgroups.json

named >/tmp/before
dpkg --no-triggers --force-depends -i etcd-sd.deb
getent passwd etcd-sd
man --where etcd-sd etcd-sd-diff
test -s /usr/share/bash-completion/completions/etcd-sd
test -s /usr/share/etcd-sd/alerts.yml
systemd-analyze verify etcd-sd.service etcd-sd@blue.service
fits etcd-sd ActiveState inactive
fits etcd-sd UnitFileState disabled

# There is no etcd yet, and that is no failure.
systemctl start etcd-sd
fits etcd-sd ActiveState active
wait_for fits etcd-sd StatusText '*no complete list*'
fits etcd-sd WatchdogUSec 30s
fits etcd-sd NRestarts 0
test ! -e $file

systemd-run --unit=registry /mnt/etcd --data-dir=/tmp/etcd
export ETCDCTL_API=3
wait_for ./etcdctl put /services/web/1 10.0.0.1:80
./etcdctl put /blue/web/1 10.0.0.2:80
wait_for grep 10.0.0.1:80 $file
wait_for fits etcd-sd StatusText '*targets: 1*'
as_nobody grep 10.0.0.1:80 $file
! as_nobody sh -c "echo >$file"
fits etcd-sd User etcd-sd

process=$(of etcd-sd MainPID)
systemctl reload etcd-sd
./etcdctl put /services/web/2 10.0.0.3:80
wait_for grep 10.0.0.3:80 $file
fits etcd-sd MainPID "$process"

# An instance, with settings of its own.
echo ETCD_SD_PREFIX=/blue >/etc/default/etcd-sd-blue
systemctl start etcd-sd@blue
wait_for grep 10.0.0.2:80 /var/lib/etcd-sd/blue/tgroups.json

# An upgrade starts what runs anew.
instance=$(of etcd-sd@blue MainPID)
dpkg --no-triggers --force-depends -i etcd-sd.deb
fits etcd-sd ActiveState active
! fits etcd-sd MainPID "$process"
fits etcd-sd@blue ActiveState active
! fits etcd-sd@blue MainPID "$instance"

# What can't be helped by trying again is not tried again.
systemctl stop etcd-sd
fits etcd-sd Result success
echo ETCD_SD_DEBOUNCE=soon >>/etc/default/etcd-sd
! systemctl start etcd-sd
fits etcd-sd ActiveState failed
fits etcd-sd ExecMainStatus 2
fits etcd-sd NRestarts 0
sed -i '$d' /etc/default/etcd-sd
systemctl start etcd-sd

# A removal leaves the targets to Prometheus, and a purge nothing but the operator's own.
dpkg --no-triggers -r etcd-sd
! systemctl is-active etcd-sd
! systemctl is-active etcd-sd@blue
grep 10.0.0.3:80 $file
test -e /etc/default/etcd-sd
dpkg --no-triggers -P etcd-sd
rm /etc/default/etcd-sd-blue
diff /tmp/before <(named)
echo well
