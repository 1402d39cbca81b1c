/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_restore.c: what libvirt is given to restore a guest's memory from
 *
 * That is the memory file itself, which is only ever read, or, where its header says
 * what is not true, a copy that says what is. The copy has no name: libvirt finds it by
 * our descriptor, and whatever becomes of us, nothing is left of it.
 */

#include "config.h"

#include <unistd.h>

#include "qemu_snapshot_libvirt.h"
#include "qemu_snapshot_restore.h"
#include "virsnaperror.h"
#include "virsnappaths.h"
#include "virsnapstorageimage.h"

/* newer than the headers that this is built with */
#define PARAM_CHANNELS "parallel.channels"

struct _qemuSnapshotRestore {
    int copy;            /* a descriptor; -1: none */
    int channels;        /* 0: as libvirt has it */
};

void
qemuSnapshotRestoreFree(qemuSnapshotRestore *restore)
{
    if (!restore)
        return;

    if (restore->copy >= 0)
        close(restore->copy);
    g_free(restore);
}

qemuSnapshotRestore *
qemuSnapshotRestoreNew(const qemuSnapshotPlan *plan, GError **error)
{
    g_autoptr(qemuSnapshotRestore) restore = g_new0(qemuSnapshotRestore, 1);
    virSnapSaveImageKind kind;

    restore->copy = -1;
    if (!virSnapStorageGetSaveKind(plan->memory_file, &kind, error))
        return NULL;

    switch (kind) {
    case VIR_SNAP_SAVE_IMAGE_STREAM:
        break;
    case VIR_SNAP_SAVE_IMAGE_SPARSE:
        if (qemuSnapshotLibvirtHas(virDomainGetConnect(plan->dom),
                                   QEMU_SNAPSHOT_LIBVIRT_PARALLEL_RESTORE))
            restore->channels = g_get_num_processors();
        break;
    case VIR_SNAP_SAVE_IMAGE_MISLABELLED:
        restore->copy = virSnapSaveImageCopyAsStream(plan->memory_file, error);
        if (restore->copy < 0)
            return NULL;
        break;
    }

    return g_steal_pointer(&restore);
}

static int
restoreInParallel(const qemuSnapshotPlan *plan, int channels, unsigned int flags)
{
    virTypedParameterPtr params = NULL;
    int n = 0, max = 0, rc = -1;

    if (virTypedParamsAddString(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE,
                                plan->memory_file) == 0 &&
        virTypedParamsAddString(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_DXML,
                                plan->restore_xml) == 0 &&
        virTypedParamsAddInt(&params, &n, &max, PARAM_CHANNELS, channels) == 0)
        rc = virDomainRestoreParams(virDomainGetConnect(plan->dom), params, n, flags);

    virTypedParamsFree(params, n);
    return rc;
}

int
qemuSnapshotRestoreRun(const qemuSnapshotRestore *restore, const qemuSnapshotPlan *plan)
{
    unsigned int flags = plan->start_paused ? VIR_DOMAIN_SAVE_PAUSED :
        VIR_DOMAIN_SAVE_RUNNING;
    g_autofree char *copy = NULL;

    if (plan->reset_nvram)
        flags |= VIR_DOMAIN_SAVE_RESET_NVRAM;
    if (restore->channels > 0)
        return restoreInParallel(plan, restore->channels, flags);

    if (restore->copy >= 0) {
        g_autofree char *name = g_strdup_printf("fd/%d", restore->copy);

        copy = virSnapPathsProcess(getpid(), name);
    }
    return virDomainRestoreFlags(virDomainGetConnect(plan->dom),
                                 copy ? copy : plan->memory_file, plan->restore_xml,
                                 flags);
}
