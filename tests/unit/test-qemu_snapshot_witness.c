/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_witness.c: a definition, an overlay, and whether they agree
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "qemu_snapshot_witness.h"
#include "virsnapstorage.h"

#define FILE_SIZE (256 * 1024)
#define NAME_OFFSET 512

static void
put32(guint8 *bytes, gsize offset, guint32 value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes + offset, &value, sizeof(value));
}

/* A qcow2 with that backing image; "": none. */
static void
writeOverlay(const char *path, const char *backing)
{
    g_autofree guint8 *bytes = g_malloc0(FILE_SIZE);

    put32(bytes, 0, 0x514649fb);
    put32(bytes, 4, 3);
    put32(bytes, 20, 16);
    put32(bytes, 28, 1024 * 1024);
    put32(bytes, 36, 1);
    put32(bytes, 44, 196608);
    put32(bytes, 52, 65536);
    put32(bytes, 56, 1);
    put32(bytes, 96, 4);
    put32(bytes, 100, 104);
    if (*backing) {
        put32(bytes, 12, NAME_OFFSET);
        put32(bytes, 16, strlen(backing));
        memcpy(bytes + NAME_OFFSET, backing, strlen(backing));
    }
    g_assert_true(g_file_set_contents(path, (const char *)bytes, FILE_SIZE, NULL));
}

typedef struct _witnessCase witnessCase;
struct _witnessCase {
    const char *name;
    const char *image;      /* in the definition */
    const char *backing;    /* in the overlay's header; NULL: there is no overlay */
    const char *location;
    gboolean agree;
};

static const witnessCase cases[] = {
    { "agree", "a.qcow2", "@/a.qcow2", "external", TRUE },
    { "relative", "a.qcow2", "a.qcow2", "external", TRUE },
    { "json", "a.qcow2", "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\","
      "\"filename\":\"@/a.qcow2\"}}", "external", TRUE },
    { "disagree", "a.qcow2", "@/b.qcow2", "external", FALSE },
    { "backing-is-gone", "a.qcow2", "@/nosuch", "external", FALSE },
    { "elsewhere", "a.qcow2", "nbd://host/a", "external", FALSE },
    { "overlay-is-gone", "a.qcow2", NULL, "external", TRUE },
    { "overlay-is-whole", "a.qcow2", "", "external", TRUE },
    { "internal", "a.qcow2", "@/b.qcow2", "internal", TRUE },
};

static char *
withFolder(const char *text, const char *folder)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);

    return g_strjoinv(folder, parts);
}

static void
testCase(const void *opaque)
{
    const witnessCase *c = opaque;
    g_autofree char *folder = g_dir_make_tmp("witness-XXXXXX", NULL);
    g_autofree char *overlay = g_build_filename(folder, "overlay", NULL);
    g_autofree char *xml = g_strdup_printf(
        "<domainsnapshot><name>s</name><state>shutoff</state><disks>"
        "<disk name='vda' snapshot='%s' type='file'><driver type='qcow2'/>"
        "<source file='%s'/></disk></disks><domain type='qemu'><name>d</name><devices>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='%s/%s'/><target dev='vda'/></disk></devices></domain>"
        "</domainsnapshot>", c->location, overlay, folder, c->image);
    g_autoptr(GError) error = NULL;
    g_autoptr(virDomainSnapshotInfo) info = virDomainSnapshotInfoParse(xml, &error);

    g_assert_no_error(error);
    if (c->backing) {
        g_autofree char *backing = withFolder(c->backing, folder);

        writeOverlay(overlay, backing);
    }

    if (c->agree) {
        g_assert_true(qemuSnapshotWitnessCheck(info, VIR_ERR_OPERATION_INVALID, &error));
        g_assert_no_error(error);
    } else {
        g_assert_false(qemuSnapshotWitnessCheck(info, VIR_ERR_OPERATION_INVALID, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID);
        g_assert_nonnull(strstr(error->message, overlay));
        g_assert_nonnull(strstr(error->message, "'vda'"));
        g_assert_nonnull(strstr(error->message, c->image));
    }

    g_remove(overlay);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapStorageInit(60, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/qemu_snapshot_witness/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testCase);
    }
    return g_test_run();
}
