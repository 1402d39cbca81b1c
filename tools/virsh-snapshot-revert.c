/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsh-snapshot-revert.c: the command
 */

#include "config.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvirt-domain-snapshot.h"
#include "virsh-snapshot-revert.h"
#include "virsnaperror.h"
#include "virsnapxml.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomainSnapshot, virDomainSnapshotFree)

/* The message of the error that libvirt, or our library, reported last: virsh
 * shows it alone. */
static gboolean
failAsLibvirt(GError **error)
{
    virErrorPtr last = virGetLastError();

    g_set_error_literal(error, VIR_SNAP_ERROR,
                        last ? last->code : VIR_ERR_INTERNAL_ERROR,
                        last && last->message ? last->message :
                        _("unknown error"));
    return FALSE;
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

gboolean
virshConnect(const virshGlobals *globals, virConnectPtr *conn, GError **error)
{
    const char *uri = globals->uri ? globals->uri :
        getenv("VIRSH_DEFAULT_CONNECT_URI");

    if (*conn)
        return TRUE;

    /* of a connection to a libvirtd that has ended */
    signal(SIGPIPE, SIG_IGN);
    virSetErrorFunc(NULL, ignoreError);
    *conn = virConnectOpenAuth(uri && *uri ? uri : NULL, virConnectAuthPtrDefault,
                               globals->readonly ? VIR_CONNECT_RO : 0);
    if (*conn)
        return TRUE;

    failAsLibvirt(error);
    g_prefix_error(error, _("failed to connect to the hypervisor\n%s: "), _("error"));
    return FALSE;
}

/* By id, UUID or name, in this order, as virsh does. */
static virDomainPtr
findDomain(virConnectPtr conn, const char *text, GError **error)
{
    virDomainPtr dom = NULL;
    guint64 id;

    if (g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT, &id, NULL))
        dom = virDomainLookupByID(conn, id);
    if (!dom && strlen(text) == VIR_UUID_STRING_BUFLEN - 1)
        dom = virDomainLookupByUUIDString(conn, text);
    if (!dom)
        dom = virDomainLookupByName(conn, text);

    if (!dom)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN,
                    _("failed to get domain '%s'"), text);
    return dom;
}

static gboolean
readDocument(const char *path, char **ret_xml, GError **error)
{
    g_autofree char *xml = g_malloc(VIR_SNAP_XML_MAX + 1);
    FILE *file = fopen(path, "re");
    gsize len = 0;
    gboolean ok = file != NULL;

    if (ok) {
        len = fread(xml, 1, VIR_SNAP_XML_MAX + 1, file);
        ok = !ferror(file);
    }
    if (!ok)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot read file '%s'"), path);
    if (file)
        fclose(file);
    if (!ok)
        return FALSE;

    if (len > VIR_SNAP_XML_MAX || memchr(xml, '\0', len)) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG,
                    len > VIR_SNAP_XML_MAX ?
                    _("file '%s' is too large for a revert document") :
                    _("file '%s' is not text"), path);
        return FALSE;
    }

    *ret_xml = g_strndup(xml, len);
    return TRUE;
}

/* NULL in *ret_xml: no document. */
static gboolean
makeDocument(const virshRevertOptions *options, char **ret_xml, GError **error)
{
    if (options->xml)
        return readDocument(options->xml, ret_xml, error);

    if (options->diskspecs->len > 0 || options->print_xml)
        *ret_xml = virshRevertFormatDiskspecs(options->diskspecs, error);

    return *ret_xml || (options->diskspecs->len == 0 && !options->print_xml);
}

static unsigned int
makeFlags(const virshRevertOptions *options)
{
    unsigned int flags = 0;

    if (options->running)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING;
    if (options->paused)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED;
    if (options->reset_nvram)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_RESET_NVRAM;
    if (options->validate)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_VALIDATE;
    if (options->reuse_external)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_REUSE_EXT;
    if (options->keep_current)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_KEEP_CURRENT;

    return flags;
}

/* Drivers other than QEMU's have their own snapshots and their own revert. */
static gboolean
isOurs(virConnectPtr conn, const virshRevertOptions *options)
{
    return g_strcmp0(virConnectGetType(conn), "QEMU") == 0 ||
        virshRevertOptionsAreOurs(options);
}

static int
revertOnce(virConnectPtr conn, virDomainSnapshotPtr snap,
           const virshRevertOptions *options, const char *xml, unsigned int flags)
{
    if (isOurs(conn, options))
        return virDomainRevertToSnapshotXML(snap, xml, flags);

    return virDomainRevertToSnapshot(snap, flags);
}

/* With --force the risky way is taken only where the safe one is refused. */
static gboolean
revert(virConnectPtr conn, virDomainSnapshotPtr snap,
       const virshRevertOptions *options, const char *xml, GError **error)
{
    unsigned int flags = makeFlags(options);
    int rc = revertOnce(conn, snap, options, xml, flags);

    if (rc < 0 && options->force &&
        virGetLastErrorCode() == VIR_ERR_SNAPSHOT_REVERT_RISKY)
        rc = revertOnce(conn, snap, options, xml,
                        flags | VIR_DOMAIN_SNAPSHOT_REVERT_FORCE);

    if (rc == 0)
        return TRUE;

    failAsLibvirt(error);
    g_prefix_error(error, _("Failed to revert snapshot %s\n%s: "),
                   virDomainSnapshotGetName(snap), _("error"));
    return FALSE;
}

static gboolean
dryRun(virDomainSnapshotPtr snap, const virshRevertOptions *options,
       const char *xml, GError **error)
{
    unsigned int flags = makeFlags(options);
    char *desc;

    if (options->force)
        flags |= VIR_DOMAIN_SNAPSHOT_REVERT_FORCE;

    if (!(desc = virDomainSnapshotGetRevertXMLDesc(snap, xml, flags)))
        return failAsLibvirt(error);

    printf("%s", desc);
    free(desc);
    return TRUE;
}

/* Beside libvirt's own line what is easily overlooked: a snapshot of disks alone ends with
 * the domain off. */
static void
printDone(virDomainSnapshotPtr snap, const virshRevertOptions *options,
          gboolean was_active)
{
    virDomainPtr dom = virDomainSnapshotGetDomain(snap);

    printf(_("Domain snapshot %s reverted\n"), virDomainSnapshotGetName(snap));
    if (was_active && !options->running && !options->paused &&
        virDomainIsActive(dom) == 0)
        printf(_("Domain '%s' is shut off; --running would have started it\n"),
               virDomainGetName(dom));
}

/* What was kept, and why, if that is what was done last. That it can't be asked for is no
 * failure: the revert is made. */
static void
printWarnings(virDomainPtr dom, virDomainSnapshotPtr snap)
{
    virTypedParameterPtr params = NULL;
    int nparams = 0;
    const char *snapshot = NULL;

    if (virDomainSnapshotGetJobInfo(dom, &params, &nparams,
                                    VIR_DOMAIN_JOB_STATS_COMPLETED) < 0)
        return;

    if (virTypedParamsGetString(params, nparams, VIR_DOMAIN_SNAPSHOT_JOB_SNAPSHOT,
                                &snapshot) == 1 &&
        g_str_equal(snapshot, virDomainSnapshotGetName(snap))) {
        for (int i = 0; i < nparams; i++) {
            if (g_str_has_prefix(params[i].field, VIR_DOMAIN_SNAPSHOT_JOB_WARNING_PREFIX) &&
                params[i].type == VIR_TYPED_PARAM_STRING)
                fprintf(stderr, "%s: %s\n", _("warning"), params[i].value.s);
        }
    }
    virTypedParamsFree(params, nparams);
}

gboolean
virshSnapshotRevert(const virshGlobals *globals,
                    const virshRevertOptions *options, virConnectPtr conn,
                    GError **error)
{
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(virDomainSnapshot) snap = NULL;
    g_autofree char *xml = NULL;
    gboolean was_active;

    if (!virshRevertOptionsCheck(options, error) ||
        !makeDocument(options, &xml, error))
        return FALSE;

    if (options->print_xml) {
        printf("%s", xml);
        return TRUE;
    }

    if (!(dom = findDomain(conn, options->domain, error)))
        return FALSE;

    snap = options->current ? virDomainSnapshotCurrent(dom, 0) :
        virDomainSnapshotLookupByName(dom, options->snapshotname, 0);
    if (!snap)
        return failAsLibvirt(error);

    if (options->dry_run)
        return dryRun(snap, options, xml, error);

    was_active = virDomainIsActive(dom) == 1;
    if (!revert(conn, snap, options, xml, error))
        return FALSE;

    if (globals->quiet)
        return TRUE;

    printDone(snap, options, was_active);
    fflush(stdout);
    if (isOurs(conn, options))
        printWarnings(dom, snap);
    return TRUE;
}
