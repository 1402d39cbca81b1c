/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_plan.h: all that a revert will do, as a value
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <sys/stat.h>

#include "qemu_snapshot_guard.h"
#include "snapshot_revert_conf.h"
#include "virsnapfile.h"

typedef struct _qemuSnapshotPlanDisk qemuSnapshotPlanDisk;
struct _qemuSnapshotPlanDisk {
    char *target;
    GPtrArray *chain;      /* of virSnapImage; the first holds the snapshot's state */
    char *overlay;         /* path that the new definition names */
    char *file;            /* where it is made: overlay, or beside it in place */
    char *kept;            /* in place: second name of the image it replaces */
    gboolean in_place;
    gboolean reused;       /* the caller has made it */
    virSnapFileID id;      /* of the new overlay, once it is made */
    virSnapFileID old_id;  /* in place: of the one that it replaces */
    struct stat like;      /* the owner, group and mode that it gets */
};

/* An image that is left and may be deleted. */
typedef struct _qemuSnapshotPlanDiscard qemuSnapshotPlanDiscard;
struct _qemuSnapshotPlanDiscard {
    char *disk;            /* target */
    char *file;
    virSnapFileID id;      /* nothing else that has its path by then */
};

typedef enum {
    QEMU_SNAPSHOT_START_NONE = 0,
    QEMU_SNAPSHOT_START_BOOT,
    QEMU_SNAPSHOT_START_RESTORE,   /* from the memory file */
} qemuSnapshotStart;

typedef struct _qemuSnapshotPlan qemuSnapshotPlan;
struct _qemuSnapshotPlan {
    char *id;              /* of this revert: the new definition has it, too */
    virDomainPtr dom;
    char *domain;          /* its name */
    char *snapshot;        /* the target's name */

    gboolean active;       /* the domain, now */
    gboolean paused;
    gboolean transient;
    qemuSnapshotStart start;   /* the domain, afterwards */
    gboolean start_paused;
    gboolean reset_nvram;

    GPtrArray *disks;      /* of qemuSnapshotPlanDisk */
    GPtrArray *discards;   /* of qemuSnapshotPlanDiscard */
    GPtrArray *warnings;   /* of char *: whole sentences, for the description */
    gboolean drop_save;    /* a managed save is lost: FORCE */

    qemuSnapshotGuard *guard;  /* what the plan rests on */

    char *old_xml;         /* the persistent definition as it is */
    char *new_xml;         /* ... and as it will be */
    char *memory_file;     /* NULL: none */
    char *restore_xml;     /* the definition to go with it */
    char *snapshot_xml;    /* the target, as it is to be recorded */
};

/* One with nothing in it but its arrays, to be filled in from a journal. */
qemuSnapshotPlan *qemuSnapshotPlanNewEmpty(void);
void qemuSnapshotPlanFree(qemuSnapshotPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuSnapshotPlan, qemuSnapshotPlanFree)

qemuSnapshotPlanDisk *qemuSnapshotPlanFindDisk(const qemuSnapshotPlan *plan,
                                               const char *target);

/* The definition that the domain starts with, if it is started. */
const char *qemuSnapshotPlanStartXML(const qemuSnapshotPlan *plan);

/* The plan as a <domainsnapshotrevert> document; freed with g_free(). */
char *qemuSnapshotPlanFormat(const qemuSnapshotPlan *plan);
