/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt-domain-snapshot.h: revert a domain to an external snapshot
 *
 * Everything here extends the virDomainSnapshot object of libvirt's own
 * libvirt-domain-snapshot.h. The functions are documented above their
 * definitions in src/libvirt-domain-snapshot.c.
 */

#ifndef LIBVIRT_SNAPSHOT_DOMAIN_SNAPSHOT_H
# define LIBVIRT_SNAPSHOT_DOMAIN_SNAPSHOT_H

# include <libvirt/libvirt.h>

# ifdef __cplusplus
extern "C" {
# endif

/**
 * virDomainSnapshotRevertXMLFlags:
 *
 * Flags of virDomainRevertToSnapshotXML() and
 * virDomainSnapshotGetRevertXMLDesc(), in addition to libvirt's own
 * virDomainSnapshotRevertFlags, which keep their values and their meaning.
 * They start at bit 16, clear of what libvirt may add.
 */
typedef enum {
    /* check xmlDesc against the schema */
    VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE     = (1 << 16),

    /* the overlays named in xmlDesc exist already, made by the caller */
    VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT    = (1 << 17),

    /* do not delete the overlays that held the state being left */
    VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT = (1 << 18),
} virDomainSnapshotRevertXMLFlags;

int virDomainRevertToSnapshotXML(virDomainSnapshotPtr snapshot,
                                 const char *xmlDesc,
                                 unsigned int flags);

char *virDomainSnapshotGetRevertXMLDesc(virDomainSnapshotPtr snapshot,
                                        const char *xmlDesc,
                                        unsigned int flags);

/**
 * VIR_DOMAIN_SNAPSHOT_JOB_*:
 *
 * The parameters of virDomainSnapshotGetJobInfo(), besides those that it shares with
 * libvirt's virDomainGetJobStats(): VIR_DOMAIN_JOB_TIME_ELAPSED (milliseconds),
 * VIR_DOMAIN_JOB_SUCCESS and VIR_DOMAIN_JOB_ERRMSG.
 */

/* what is done, as a string: "revert" or "delete" */
# define VIR_DOMAIN_SNAPSHOT_JOB_OPERATION "operation"

/* with which domain and which of its snapshots, as strings */
# define VIR_DOMAIN_SNAPSHOT_JOB_DOMAIN "domain"
# define VIR_DOMAIN_SNAPSHOT_JOB_SNAPSHOT "snapshot"

/* the step it is at, or was at when it ended, as a string */
# define VIR_DOMAIN_SNAPSHOT_JOB_STEP "step"

/* how far it is, as unsigned long longs, and in what that is counted, as a string:
 * "bytes" or "disks"; absent where that isn't known */
# define VIR_DOMAIN_SNAPSHOT_JOB_DONE "done"
# define VIR_DOMAIN_SNAPSHOT_JOB_TOTAL "total"
# define VIR_DOMAIN_SNAPSHOT_JOB_UNIT "unit"

/* what its caller should know, as strings: "warning.0", "warning.1" and so on */
# define VIR_DOMAIN_SNAPSHOT_JOB_WARNING_PREFIX "warning."

int virDomainSnapshotGetJobInfo(virDomainPtr domain,
                                virTypedParameterPtr *params,
                                int *nparams,
                                unsigned int flags);

# ifdef __cplusplus
}
# endif

#endif /* LIBVIRT_SNAPSHOT_DOMAIN_SNAPSHOT_H */
