# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lib.sh: what scripts/demo, scripts/test and scripts/bench share: install what
# is missing, build, and be quiet about it unless it fails

srcdir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
builddir=$(realpath -m "${BUILDDIR:-$srcdir/build}")
export BUILDDIR="$builddir"

# libvirt-daemon-system is not among them: on Debian 12 it is what would start a
# libvirtd for the host, and no script of ours needs that.
build_packages=(
    gcc libc6-dev meson ninja-build pkg-config gettext
    libglib2.0-dev libjson-glib-dev libsystemd-dev libtirpc-dev libvirt-dev
    libxml2-dev python3 python3-dev python3-docutils rpcsvc-proto
)
run_packages=(
    libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu libxml2-utils
    procps python3-libvirt qemu-system-common qemu-system-x86 qemu-utils
    util-linux
)
test_packages=(clang e2fsprogs libsys-virt-perl openssh-client systemd virtinst)
# In Debian 12 they are part of libvirt-daemon.
if [[ ! -f /etc/debian_version || $(</etc/debian_version) != 12* ]]; then
    for name in interface network nwfilter secret storage; do
        test_packages+=("libvirt-daemon-driver-$name")
    done
fi

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Shows WHAT while COMMAND runs, and what COMMAND said only where it failed.
quietly() { # WHAT COMMAND...
    local what=$1 log start=$SECONDS status=0
    shift
    log=$(mktemp)
    printf '%-46s ' "$what ..."
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [[ $status == 0 ]]; then
        echo "done ($((SECONDS - start)) s)"
    else
        echo "failed"
        tail -n 60 "$log" >&2
    fi
    rm -f "$log"
    [[ $status == 0 ]] || die "$what failed (status $status): $*"
}

apt() {
    local root=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || die "installing packages needs root or sudo"
        sudo -v || die "sudo was refused; as root: apt-get install ${missing[*]}"
        root=(sudo)
    fi
    quietly "$1" "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "${@:2}"
}

install_missing() { # PACKAGES
    local package missing=()
    command -v dpkg-query >/dev/null || return 0
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    apt "Updating the list of packages" update
    apt "Installing ${#missing[@]} packages" install -y --no-install-recommends \
        "${missing[@]}"
}

build() { # WHAT FOLDER MESON-OPTIONS...
    local what=$1 folder=$2
    shift 2
    [[ -f "$folder/build.ninja" ]] ||
        quietly "Configuring $what" meson setup "$folder" "$srcdir" "$@"
    quietly "Building $what" ninja -C "$folder"
}
