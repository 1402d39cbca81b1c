/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnappaths.c: where things are on a host
 *
 * All paths of the system that we use are in this file and its header, and in no other:
 * those of libvirt's system daemon are fixed, whatever prefix we are installed under, as
 * all its clients rely on them. scripts/check-paths is a test of that.
 */

#include "config.h"

#include "virsnappaths.h"

#define SYSTEM_RUN "/run/libvirt"
#define SYSTEM_LOG "/var/log/libvirt"
#define SYSTEM_STATE "/var/lib/libvirt"
#define SYSTEM_DEFINITIONS "/etc/libvirt/qemu"
#define PROCESSES "/proc"

char *
virSnapPathsRun(gboolean system)
{
    return system ? g_strdup(SYSTEM_RUN) :
        g_build_filename(g_get_user_runtime_dir(), "libvirt", NULL);
}

char *
virSnapPathsSocketIn(const char *run_dir, gboolean readonly)
{
    return g_build_filename(run_dir, readonly ? "virtsnapshotd-sock-ro" :
                            "virtsnapshotd-sock", NULL);
}

char *
virSnapPathsSocket(gboolean system, gboolean readonly)
{
    g_autofree char *folder = virSnapPathsRun(system);

    return virSnapPathsSocketIn(folder, readonly);
}

char *
virSnapPathsLog(gboolean system)
{
    return system ? g_strdup(SYSTEM_LOG) :
        g_build_filename(g_get_user_cache_dir(), "libvirt", NULL);
}

char *
virSnapPathsJournals(gboolean system)
{
    return system ? g_build_filename(SYSTEM_STATE, "snapshot-revert", NULL) :
        g_build_filename(g_get_user_data_dir(), "libvirt", "snapshot-revert", NULL);
}

char *
virSnapPathsDefinitions(gboolean system)
{
    return system ? g_strdup(SYSTEM_DEFINITIONS) :
        g_build_filename(g_get_user_config_dir(), "libvirt", "qemu", NULL);
}

char *
virSnapPathsSnapshots(gboolean system)
{
    return system ? g_build_filename(SYSTEM_STATE, "qemu", "snapshot", NULL) :
        g_build_filename(g_get_user_config_dir(), "libvirt", "qemu", "snapshot", NULL);
}

char *
virSnapPathsRunning(gboolean system)
{
    g_autofree char *run = virSnapPathsRun(system);

    return g_build_filename(run, "qemu", system ? NULL : "run", NULL);
}

char *
virSnapPathsSaves(gboolean system)
{
    return system ? g_build_filename(SYSTEM_STATE, "qemu", "save", NULL) :
        g_build_filename(g_get_user_config_dir(), "libvirt", "qemu", "save", NULL);
}

char *
virSnapPathsConfig(gboolean system)
{
    return g_build_filename(system ? SYSCONFDIR : g_get_user_config_dir(), "libvirt",
                            "virtsnapshotd.conf", NULL);
}

char *
virSnapPathsProcess(pid_t pid, const char *name)
{
    return g_strdup_printf(PROCESSES "/%d/%s", (int)pid, name);
}

char *
virSnapPathsDescriptor(int fd)
{
    return g_strdup_printf(PROCESSES "/self/fd/%d", fd);
}
