/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_journal_plan.c: plans that can be read back, and what is none
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_journal_plan.h"

#define STRINGS "'id':'i','domain':'d','snapshot':'s','old_xml':'o','new_xml':'n'," \
    "'snapshot_xml':'x'"
#define ARRAYS ",'disks':[],'discards':[]"
#define DISK "'target':'vda','overlay':'/o','file':'/f'"

static gboolean
parse(const char *text, qemuSnapshotPlan *plan)
{
    g_autofree char *boot = NULL;
    g_auto(GStrv) parts = g_strsplit(text, "'", -1);
    g_autofree char *json = g_strjoinv("\"", parts);

    return qemuSnapshotJournalParsePlan(json, strlen(json), plan, &boot);
}

/* Without any one of what an undo needs it is no plan. */
static void
testParse(void)
{
    static const struct {
        const char *text;
        gboolean good;
    } cases[] = {
        { "{" STRINGS ARRAYS "}", TRUE },
        { "{" STRINGS ",'disks':[{" DISK "}],'discards':[{'disk':'vda','file':'/d'}]}",
          TRUE },
        { "", FALSE },
        { "[]", FALSE },
        { "{}", FALSE },
        { "{" STRINGS ARRAYS, FALSE },
        { "{" STRINGS "}", FALSE },
        { "{" STRINGS ",'disks':[]}", FALSE },
        { "{" STRINGS ",'discards':[]}", FALSE },
        { "{" STRINGS ",'disks':[{'target':'vda','overlay':'/o'}],'discards':[]}",
          FALSE },
        { "{" STRINGS ",'disks':[{" DISK ",'in_place':true}],'discards':[]}", FALSE },
        { "{" STRINGS ",'disks':[{" DISK ",'in_place':true,'kept':'/k'}],"
          "'discards':[]}", TRUE },
        { "{" STRINGS ",'disks':[],'discards':[{'disk':'vda'}]}", FALSE },
        { "{" STRINGS ",'start':2" ARRAYS "}", FALSE },
        { "{" STRINGS ",'start':2,'memory_file':'/m','restore_xml':'r'" ARRAYS "}",
          TRUE },
        { "{'domain':'d','snapshot':'s','old_xml':'o','new_xml':'n'" ARRAYS "}", FALSE },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNewEmpty();

        if (parse(cases[i].text, plan) != cases[i].good)
            g_error("%s", cases[i].text);
    }
}

/* Every member, each with a value of its own. */
static void
testRoundTrip(void)
{
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNewEmpty();
    g_autoptr(qemuSnapshotPlan) back = qemuSnapshotPlanNewEmpty();
    g_autofree char *text = NULL;
    g_autofree char *again = NULL;
    g_autofree char *boot = NULL;
    const qemuSnapshotPlanDisk *disk;
    const qemuSnapshotPlanDiscard *discard;

    g_assert_true(parse("{" STRINGS ",'start':2,'memory_file':'/m','restore_xml':'r',"
                        "'active':true,'paused':false,'transient':true,"
                        "'start_paused':true,'reset_nvram':false,'drop_save':true,"
                        "'disks':[{" DISK ",'kept':'/k','in_place':true,'inode':-1,"
                        "'born':5,'old_inode':6,'old_born':7}],"
                        "'discards':[{'disk':'vdb','file':'/d','inode':8,'born':9}]}",
                        plan));
    text = qemuSnapshotJournalFormatPlan(plan, "this boot");
    g_assert_true(qemuSnapshotJournalParsePlan(text, strlen(text), back, &boot));
    again = qemuSnapshotJournalFormatPlan(back, boot);

    g_assert_cmpstr(boot, ==, "this boot");
    g_assert_cmpstr(again, ==, text);
    g_assert_cmpint(back->start, ==, QEMU_SNAPSHOT_START_RESTORE);
    g_assert_cmpstr(back->restore_xml, ==, "r");
    g_assert_true(back->active && back->transient && back->start_paused &&
                  back->drop_save);
    g_assert_false(back->paused || back->reset_nvram);
    disk = g_ptr_array_index(back->disks, 0);
    g_assert_cmpstr(disk->kept, ==, "/k");
    g_assert_true(disk->in_place && !disk->reused);
    g_assert_cmpuint(disk->id.inode, ==, G_MAXUINT64);
    g_assert_cmpint(disk->id.born, ==, 5);
    g_assert_cmpuint(disk->old_id.inode, ==, 6);
    g_assert_cmpint(disk->old_id.born, ==, 7);
    discard = g_ptr_array_index(back->discards, 0);
    g_assert_cmpstr(discard->file, ==, "/d");
    g_assert_cmpuint(discard->id.inode, ==, 8);
    g_assert_cmpint(discard->id.born, ==, 9);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_journal_plan/parse", testParse);
    g_test_add_func("/qemu_snapshot_journal_plan/round-trip", testRoundTrip);
    return g_test_run();
}
