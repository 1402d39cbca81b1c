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

# ifdef __cplusplus
}
# endif

#endif /* LIBVIRT_SNAPSHOT_DOMAIN_SNAPSHOT_H */
