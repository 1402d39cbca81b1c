/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * revert-client.c: call the public API as any program would
 *
 * Prints nothing on success but the document that --desc asks for. On failure
 * it prints one line, "CODE DOMAIN MESSAGE", of virGetLastError().
 */

#include <signal.h>
#include <stdio.h>
#include <glib.h>
#include <libvirt/virterror.h>
#include "libvirt-domain-snapshot.h"

static gboolean only_desc;
static gboolean readonly;

static const GOptionEntry options[] = {
    { "desc", 0, 0, G_OPTION_ARG_NONE, &only_desc,
      "Print what the revert would do", NULL },
    { "readonly", 0, 0, G_OPTION_ARG_NONE, &readonly,
      "Open the connection read-only", NULL },
    G_OPTION_ENTRY_NULL
};

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

static int
fail(void)
{
    virErrorPtr err = virGetLastError();

    if (err)
        printf("%d %d %s\n", err->code, err->domain, err->message);
    else
        printf("0 0 no error was set\n");
    return 1;
}

static int
call(virDomainSnapshotPtr snap, const char *xml, unsigned int flags)
{
    char *desc;

    if (!only_desc)
        return virDomainRevertToSnapshotXML(snap, xml, flags) < 0 ? fail() : 0;

    if (!(desc = virDomainSnapshotGetRevertXMLDesc(snap, xml, flags)))
        return fail();
    printf("%s", desc);
    free(desc);
    return 0;
}

static int
lookUpAndCall(virConnectPtr conn, char **args, const char *xml)
{
    virDomainPtr dom = virDomainLookupByName(conn, args[1]);
    virDomainSnapshotPtr snap = NULL;
    unsigned int flags = g_ascii_strtoull(args[3], NULL, 0);
    int ret;

    if (dom)
        snap = virDomainSnapshotLookupByName(dom, args[2], 0);
    ret = snap ? call(snap, xml, flags) : fail();

    if (snap)
        virDomainSnapshotFree(snap);
    if (dom)
        virDomainFree(dom);
    return ret;
}

int
main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("URI DOMAIN SNAPSHOT FLAGS [FILE]");
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;
    virConnectPtr conn;
    int ret;

    /* of a connection to a libvirtd that has ended */
    signal(SIGPIPE, SIG_IGN);
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        (argc == 6 && !g_file_get_contents(argv[5], &xml, NULL, &error)) ||
        argc < 5) {
        g_printerr("%s\n", error ? error->message : "wrong number of arguments");
        return 2;
    }

    virSetErrorFunc(NULL, ignoreError);
    conn = readonly ? virConnectOpenReadOnly(argv[1]) : virConnectOpen(argv[1]);
    if (!conn)
        return fail();
    ret = lookUpAndCall(conn, argv + 1, xml);
    virConnectClose(conn);
    return ret;
}
