# Sourced by the scripts beside it: the programs that the tests need, and where to get them.
# Expects `me`, the script's name for messages, `called_from`, the directory that it was
# called in, and the repository's root as the working directory.
#
# etcd, etcdctl, prometheus, promtool and victoria-metrics come from the variables ETCD, ETCDCTL,
# PROMETHEUS, PROMTOOL and VICTORIA_METRICS, or from the PATH. What neither has, this gets from the
# Debian-like distribution: it installs the packages as root, or with a sudo that asks
# nothing, or without root unpacks them under target/test-tools/.
#
# cargo-deb, which builds the Debian package, comes from the variable CARGO_DEB or the PATH, or
# is installed under target/test-tools/ by cargo, which takes half a minute; without one, the
# test that needs it says that it is skipped.
#
# chromium and chromedriver, which look at the status page, come from CHROMIUM and CHROMEDRIVER, the
# PATH, or the distribution; where they can't be had, the tests that need them say that they are
# skipped.
#
# A Prometheus 3 beside that, with its promtool in the same folder, comes from the variable
# PROMETHEUS3, or is unpacked there from a newer suite of Debian; without one, the tests that
# need it say that they are skipped.

tools=$PWD/${CARGO_TARGET_DIR:-target}/test-tools
[[ ${CARGO_TARGET_DIR:-} == /* ]] && tools=$CARGO_TARGET_DIR/test-tools
unpacked=$tools/root/usr/bin
prometheus3=$tools/prometheus3

fail() {
    printf "$me: %s\n" "$@" >&2
    exit 1
}

# The variable that names a program, and the package that has it.
variable() {
    case $1 in
        etcd) echo ETCD ;; etcdctl) echo ETCDCTL ;; prometheus) echo PROMETHEUS ;; promtool) echo PROMTOOL ;;
        victoria-metrics) echo VICTORIA_METRICS ;; chromium) echo CHROMIUM ;; chromedriver) echo CHROMEDRIVER ;;
    esac
}
package() {
    case $1 in
        etcd) echo etcd-server ;; etcdctl) echo etcd-client ;; chromedriver) echo chromium-driver ;;
        victoria-metrics | chromium) echo "$1" ;; *) echo prometheus ;;
    esac
}

# Prints a program's path: from its variable, the PATH, or an earlier unpacking.
# Status 1: there is none. Status 2: the variable says nonsense.
find_program() {
    local variable given found
    variable=$(variable "$1")
    given=${!variable:-}
    if [[ -n $given ]]; then
        if ! found=$(cd "$called_from" && realpath -- "$(command -v -- "$given")" 2>/dev/null); then
            printf "$me: %s\n" "$variable is set to '$given', which is no program that can be run." \
                "Point it to $1, or unset it to have $1 looked for on the PATH." >&2
            return 2
        fi
        echo "$found"
    elif command -v -- "$1"; then
        return
    elif [[ -x $unpacked/$1 ]]; then
        echo "$unpacked/$1"
    else
        return 1
    fi
}

# Installs packages, with whatever command gains root in front, and starts no service.
install_packages() {
    # shellcheck disable=SC2016 # the other shell expands it
    local policy='
        set -eu
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
            trap "rm -f $policy" EXIT
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update || echo "$0: apt-get update failed; trying with the lists at hand" >&2
        apt-get -qq install -y --no-install-recommends "$@"'
    "$@" sh -c "$policy" "$me" "${missing[@]}" </dev/null
}

# Downloads packages and unpacks them under target/, which needs no root: apt
# keeps its lists there as well.
unpack_packages() {
    local apt=(apt-get -qq -o "Dir::State=$tools/apt/state" -o "Dir::Cache=$tools/apt/cache"
        -o Dir::State::status=/var/lib/dpkg/status)
    mkdir -p "$tools/apt/state/lists/partial" "$tools/apt/cache/archives/partial" "$tools/debs" "$tools/root"
    "${apt[@]}" update
    (cd "$tools/debs" && "${apt[@]}" download "${missing[@]}")
    local deb
    for deb in "$tools"/debs/*.deb; do
        dpkg -x "$deb" "$tools/root"
    done
}

# Gets the packages of the programs that are missing.
get_missing() {
    local advice="Install ${missing[*]} by hand, or set ETCD, ETCDCTL, PROMETHEUS, PROMTOOL and VICTORIA_METRICS to programs of your own."
    command -v apt-get >/dev/null || fail "no ${programs[*]} on the PATH, and no apt-get to get them with." "$advice"
    if [[ $(id -u) == 0 ]]; then
        echo "$me: installing ${missing[*]}"
        install_packages env || fail "apt-get could not install ${missing[*]} (see above)." "$advice"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        echo "$me: installing ${missing[*]} with sudo"
        install_packages sudo -n || fail "apt-get could not install ${missing[*]} (see above)." "$advice"
    else
        echo "$me: unpacking ${missing[*]} under $tools (no root, and no sudo without a password)"
        unpack_packages || fail "could not download and unpack ${missing[*]} (see above)." "$advice"
    fi
}

# The version that a program says it is.
version() {
    case $1 in
        etcdctl) ETCDCTL_API=3 "$2" version ;;
        # Debian's runs, and does not know its version.
        victoria-metrics) "$2" -version && echo 0.0.0-unknown ;;
        *) "$2" --version ;;
    esac 2>&1 | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+[^ ,)]*' | head -n1 || true
}

command -v cargo >/dev/null || fail "no cargo on the PATH." "Install Rust (Cargo.toml's rust-version says which at least)."

# Finds each of these programs, gets what is missing, says what it took, and tells the
# tests in the programs' variables.
need() {
    local program status path version
    missing=()
    programs=()
    for program in "$@"; do
        status=0
        find_program "$program" >/dev/null || status=$?
        [[ $status != 2 ]] || exit 1
        if [[ $status == 1 ]]; then
            programs+=("$program")
            [[ " ${missing[*]:-} " == *" $(package "$program") "* ]] || missing+=("$(package "$program")")
        fi
    done
    [[ ${#missing[@]} == 0 ]] || get_missing

    for program in "$@"; do
        path=$(find_program "$program") || fail "still no $program after getting $(package "$program")." \
            "Set $(variable "$program") to one of your own."
        version=$(version "$program" "$path")
        [[ -n $version ]] || fail "$path does not say its version: is it $program, and can it run here?" \
            "Set $(variable "$program") to another."
        printf '%-10s %-14s %s\n' "$program" "$version" "$path"
        export "$(variable "$program")=$path"
    done
}

# Finds or gets a Prometheus 3, says which, and tells the tests in PROMETHEUS3. Whatever
# goes wrong, they can run without.
want_prometheus3() {
    local found version
    if [[ -n ${PROMETHEUS3:-} ]]; then
        found=$(cd "$called_from" && realpath -- "$(command -v -- "$PROMETHEUS3")" 2>/dev/null) ||
            fail "PROMETHEUS3 is set to '$PROMETHEUS3', which is no program that can be run." \
                "Point it to a Prometheus 3, or unset it to have one looked for."
        is_prometheus3 "$found" || fail "PROMETHEUS3 is set to '$PROMETHEUS3', which does not say that it is version 3 or newer."
    elif is_prometheus3 "${PROMETHEUS:-}"; then
        found=$PROMETHEUS
    else
        found=$prometheus3/root/usr/bin/prometheus
        { is_prometheus3 "$found" && [[ -x ${found%/*}/promtool ]]; } || get_prometheus3 || {
            echo "$me: no Prometheus 3; set PROMETHEUS3 to one to run the tests that need it"
            return 0
        }
    fi
    version=$(version prometheus "$found")
    printf '%-10s %-14s %s\n' prometheus "$version" "$found"
    export PROMETHEUS3=$found
}

is_prometheus3() { [[ -x $1 && $(version prometheus "$1") =~ ^([3-9]|[1-9][0-9]+)\. ]]; }

# Unpacks the first Prometheus 3 that a newer suite of Debian has, with lists of packages of
# its own. Where that fails it is not tried again for a day.
get_prometheus3() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg failed=$prometheus3/failed suite mirror
    command -v apt-get >/dev/null && command -v dpkg >/dev/null && [[ -r $keyring ]] || return 1
    [[ -z $(find "$failed" -mtime -1 2>/dev/null) ]] || {
        echo "$me: getting a Prometheus 3 failed within the last day; remove $failed to try again"
        return 1
    }
    # The mirror that this machine uses.
    mirror=$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
        grep -v '/snapshot' | head -n1 | tr -d ' ' || true)
    for suite in testing unstable; do
        echo "$me: getting a Prometheus 3 from Debian $suite, unpacked under $prometheus3"
        rm -rf "$prometheus3"
        if unpack_prometheus "$suite" "${mirror:-http://deb.debian.org/debian}" "$keyring" &&
            is_prometheus3 "$prometheus3/root/usr/bin/prometheus"; then
            rm -rf "$prometheus3"/{apt,debs}
            return 0
        fi
    done
    rm -rf "$prometheus3"
    mkdir -p "$prometheus3"
    touch "$failed"
    return 1
}

unpack_prometheus() {
    local folder=$prometheus3/apt
    mkdir -p "$folder"/{state/lists,cache/archives}/partial "$prometheus3"/{debs,root}
    echo "deb [signed-by=$3] $2 $1 main" >"$folder/sources.list"
    local get=(apt-get -qq -o "Dir::State=$folder/state" -o "Dir::Cache=$folder/cache"
        -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
        -o Acquire::http::Timeout=10 -o Acquire::Retries=0)
    "${get[@]}" update && (cd "$prometheus3/debs" && "${get[@]}" download prometheus promtool) || return 1
    local deb
    for deb in "$prometheus3"/debs/*.deb; do
        dpkg -x "$deb" "$prometheus3/root" || return 1
    done
}

# Finds or gets Chromium and what drives it. Whatever goes wrong, the tests can run without.
want_chromium() {
    local program status
    for program in chromium chromedriver; do
        status=0
        find_program "$program" >/dev/null || status=$?
        [[ $status != 2 ]] || exit 1
    done
    if (need chromium chromedriver >/dev/null); then
        need chromium chromedriver
    else
        echo "$me: no Chromium; set CHROMIUM and CHROMEDRIVER to run the tests that need it"
    fi
}

# Finds cargo-deb, or has cargo install it, and tells the tests in CARGO_DEB. Whatever goes wrong,
# they can run without.
want_cargo_deb() {
    local found version=3.8.0 root=$tools/cargo-deb
    if [[ -n ${CARGO_DEB:-} ]]; then
        found=$(cd "$called_from" && realpath -- "$(command -v -- "$CARGO_DEB")" 2>/dev/null) ||
            fail "CARGO_DEB is set to '$CARGO_DEB', which is no program that can be run." \
                "Point it to cargo-deb, or unset it to have one looked for."
    elif ! found=$(command -v cargo-deb); then
        found=$root/bin/cargo-deb
        [[ -x $found ]] || {
            echo "$me: installing cargo-deb $version under $root"
            # It compresses by other programs here: without these parts it is built quicker.
            CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$root/target \
                cargo install --quiet --locked --debug --no-default-features \
                --root "$root" --version "$version" cargo-deb 2>&1 | grep -v '^warning: be sure' || true
            rm -rf "$root/target"
        }
        [[ -x $found ]] || {
            echo "$me: no cargo-deb; set CARGO_DEB to one to run the test that needs it"
            return 0
        }
    fi
    version=$("$found" --version 2>/dev/null | grep -Eo '[0-9]+\.[0-9]+\.[0-9]+' | head -n1 || true)
    printf '%-10s %-14s %s\n' cargo-deb "$version" "$found"
    export CARGO_DEB=$found
}
