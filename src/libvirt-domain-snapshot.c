/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt-domain-snapshot.c: entry points for reverting to external snapshots
 *
 * The edge of the library: arguments are checked as libvirt checks its own,
 * and an error becomes a libvirt error here and nowhere else.
 */

#include "config.h"

#include <dlfcn.h>
#include <libvirt/virterror.h>
#include <stdlib.h>

#include "libvirt-domain-snapshot.h"
#include "remote_snapshot_driver.h"
#include "snapshot_conf.h"
#include "virsnaperror.h"

#define PUBLIC __attribute__((visibility("default")))

#define OWN_FLAGS (VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE | \
                   VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT | \
                   VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT)

typedef void (*raiseErrorFunc)(const char *file, const char *function,
                               size_t line, int domain, int code, int level,
                               const char *str1, const char *str2,
                               const char *str3, int int1, int int2,
                               const char *fmt, ...) G_GNUC_PRINTF(12, 13);
typedef void (*dispatchErrorFunc)(virConnectPtr conn);

/* libvirt has no public function that sets the thread's error. Its companion
 * libraries, libvirt-qemu among them, use these two; they are looked up at run
 * time since a link-time reference would tie us to one version of libvirt. */
static void
reportError(virConnectPtr conn, const GError *error)
{
    raiseErrorFunc raise_error =
        (raiseErrorFunc)dlsym(RTLD_DEFAULT, "virRaiseErrorFull");
    dispatchErrorFunc dispatch_error =
        (dispatchErrorFunc)dlsym(RTLD_DEFAULT, "virDispatchError");

    if (!raise_error || !dispatch_error) {
        g_warning("this libvirt can't be told of an error: %s", error->message);
        return;
    }

    raise_error(__FILE__, __func__, __LINE__, VIR_FROM_DOMAIN_SNAPSHOT,
                virSnapErrorCode(error), VIR_ERR_ERROR, "%s", error->message,
                NULL, -1, -1, "%s", error->message);
    dispatch_error(conn);
}

/* As every call of libvirt begins. A caller that has no connection has not
 * initialised libvirt either, without which it has no place for an error. */
static gboolean
beginCall(void)
{
    if (virInitialize() < 0)
        return FALSE;

    virResetLastError();
    return TRUE;
}

/* virtsnapshotd is for domains of QEMU; those of other drivers are libvirt's alone. */
static gboolean
hasDaemon(virDomainSnapshotPtr snapshot)
{
    const char *type = virConnectGetType(virDomainSnapshotGetConnect(snapshot));

    return g_strcmp0(type, "QEMU") == 0;
}

/* Whether the snapshot is one for libvirt's own revert. */
static gboolean
isInternal(const char *xml)
{
    g_autoptr(virDomainSnapshotInfo) info = virDomainSnapshotInfoParse(xml, NULL);

    return info && !virDomainSnapshotInfoIsExternal(info);
}

/**
 * virDomainRevertToSnapshotXML:
 * @snapshot: the snapshot to revert to
 * @xmlDesc: a <domainsnapshotrevert> document, or NULL
 * @flags: bitwise-OR of virDomainSnapshotRevertFlags and
 *         virDomainSnapshotRevertXMLFlags
 *
 * Reverts the domain to an external snapshot, on new overlays that @xmlDesc
 * names. An overlay it does not name gets a generated name: the stem of the
 * image that holds the snapshot's state, the snapshot's name and the smallest
 * free number, as in "disk.snap1-1". With @xmlDesc NULL all names are
 * generated; an internal snapshot is then reverted to as by
 * virDomainRevertToSnapshot(), unless that would rewrite an image that another
 * snapshot or domain needs: nothing overrides this.
 *
 * The images that hold the snapshot's state are not written to, so that it and
 * all other snapshots of the domain can be reverted to again. The state the
 * domain is in is lost, as with internal snapshots, unless
 * VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT keeps the overlays that hold it.
 * Images that are not known to have been made by a snapshot or a revert of this
 * domain, or that anything else uses, are kept in any case.
 *
 * Nothing is stopped before all overlays exist and the images of the snapshot
 * have been opened with them. Where the revert fails later than that, the
 * domain's definition is put back and, if it was running, it is started anew on
 * its old disks.
 *
 * The domain ends in the state of the snapshot: running or paused from its
 * memory file, which is only read, or shut off where the snapshot is of disks
 * alone. VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING and
 * VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED, which exclude each other, override that and
 * boot a snapshot of disks alone. A transient domain, which stays transient, can't
 * end shut off. The persistent definition becomes the snapshot's, with the
 * domain's own name and UUID and a new genid.
 *
 * VIR_DOMAIN_SNAPSHOT_REVERT_FORCE goes on where VIR_ERR_SNAPSHOT_REVERT_RISKY
 * would be reported: a managed save would be lost, the snapshot's state has
 * probably been changed, its memory does not match its disks, or a running domain
 * would be stopped for a start that may fail as the host is now. A start that is
 * certain to fail, as the host lacks what the definition names, is refused in any
 * case, before anything is stopped.
 * VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM has the start reset UEFI variables.
 * VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE checks @xmlDesc against its schema.
 * With VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT the overlays that @xmlDesc names exist
 * already, made by the caller or kept by VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT;
 * they are used as they are, after checking that each stands on the image that
 * holds the snapshot's state and that nothing else needs it.
 *
 * The document is described in docs/formatsnapshotrevert.rst. The call returns
 * when the revert is over; it has no time limit. It blocks the calling thread
 * only, and other calls on the connection go on meanwhile.
 *
 * Returns 0, or -1 with the reason in virGetLastError(): among others
 * VIR_ERR_XML_ERROR, VIR_ERR_XML_DETAIL and VIR_ERR_XML_INVALID_SCHEMA for a
 * faulty document, VIR_ERR_INVALID_ARG for flags, VIR_ERR_CONFIG_UNSUPPORTED
 * for what can't be reverted to, VIR_ERR_OPERATION_INVALID and
 * VIR_ERR_BLOCK_COPY_ACTIVE for a domain that is busy or was changed by someone
 * else meanwhile, VIR_ERR_OPERATION_DENIED on a read-only connection,
 * VIR_ERR_NO_CONNECT where virtsnapshotd does not run.
 */
PUBLIC int
virDomainRevertToSnapshotXML(virDomainSnapshotPtr snapshot,
                             const char *xmlDesc, unsigned int flags)
{
    g_autoptr(GError) error = NULL;
    gboolean internal;
    char *xml;

    if (!beginCall())
        return -1;

    /* a read-only connection is denied this, as it must be denied a revert */
    if (!(xml = virDomainSnapshotGetXMLDesc(snapshot,
                                            VIR_DOMAIN_SNAPSHOT_XML_SECURE)))
        return -1;
    internal = isInternal(xml);
    free(xml);

    if (internal && !xmlDesc && !(flags & OWN_FLAGS) && !hasDaemon(snapshot))
        return virDomainRevertToSnapshot(snapshot, flags);

    if (!remoteDomainRevertToSnapshotXML(snapshot, xmlDesc, flags, &error)) {
        reportError(virDomainSnapshotGetConnect(snapshot), error);
        return -1;
    }

    return 0;
}

/**
 * virDomainSnapshotGetRevertXMLDesc:
 * @snapshot: the snapshot that would be reverted to
 * @xmlDesc: a <domainsnapshotrevert> document, or NULL
 * @flags: as for virDomainRevertToSnapshotXML()
 *
 * Tells what virDomainRevertToSnapshotXML() would do with the same arguments,
 * and changes nothing: which overlays it would make, on which images they
 * would stand, and which images it would delete. It fails where the revert
 * would refuse.
 *
 * Without @xmlDesc a read-only connection, and the right to open virtsnapshotd's
 * read-only socket, are enough. A document may name any file, so that with one the
 * caller needs the right to open the read-write socket.
 *
 * Returns a <domainsnapshotrevert> document, valid as @xmlDesc of either
 * function, which the caller frees with free(); or NULL with the reason in
 * virGetLastError().
 */
PUBLIC char *
virDomainSnapshotGetRevertXMLDesc(virDomainSnapshotPtr snapshot,
                                  const char *xmlDesc, unsigned int flags)
{
    virConnectPtr conn;
    g_autoptr(GError) error = NULL;
    char *desc;

    if (!beginCall() || !(conn = virDomainSnapshotGetConnect(snapshot)))
        return NULL;

    desc = remoteDomainSnapshotGetRevertXMLDesc(snapshot, xmlDesc, flags, &error);
    if (!desc)
        reportError(conn, error);

    return desc;
}

/**
 * virDomainSnapshotGetJobInfo:
 * @domain: the domain
 * @params: where to store an array of typed parameters
 * @nparams: where to store their number
 * @flags: 0, or VIR_DOMAIN_JOB_STATS_COMPLETED of virDomainGetJobStatsFlags
 *
 * Tells what virtsnapshotd does with the domain at the moment or, with
 * VIR_DOMAIN_JOB_STATS_COMPLETED, what it did last: the operation, the snapshot, the
 * step, how far it is and for how long it has been going on; of the last one also
 * whether it succeeded, else why not, and its warnings, which say what was kept
 * and why. The names are the VIR_DOMAIN_SNAPSHOT_JOB_* and those of libvirt's own
 * VIR_DOMAIN_JOB_* that are named there. More may come; which of them are there
 * depends on the operation.
 *
 * Nothing is known of operations that a restart of virtsnapshotd has come after, of
 * those that libvirt carried out itself, and of the last of a domain where those of
 * hundreds of others have come since. The last one stays known after it was asked for.
 *
 * A read-only connection, and the right to open virtsnapshotd's read-only socket, are
 * enough. It may be called from another thread while a revert goes on.
 *
 * Returns 0, and in *@params an array that the caller frees with
 * virTypedParamsFree(): NULL, with *@nparams 0, where nothing is known. Or -1 with the
 * reason in virGetLastError().
 */
PUBLIC int
virDomainSnapshotGetJobInfo(virDomainPtr domain, virTypedParameterPtr *params,
                            int *nparams, unsigned int flags)
{
    virConnectPtr conn;
    g_autoptr(GError) error = NULL;

    if (!beginCall() || !(conn = virDomainGetConnect(domain)))
        return -1;

    if (!params || !nparams)
        g_set_error(&error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    _("there is no place for the parameters"));
    else if (remoteDomainSnapshotGetJobInfo(domain, flags, params, nparams, &error))
        return 0;

    reportError(conn, error);
    return -1;
}
