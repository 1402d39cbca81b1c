/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_preflight_text.c: every finding is a whole sentence
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_preflight_text.h"
#include "virsnaperror.h"

static char *
format(const qemuSnapshotFindingRule *rule, const char *name)
{
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNewEmpty();
    qemuSnapshotNeed need = { 0, (char *)name, (char *)"MORE", 2048 };

    plan->domain = g_strdup("DOMAIN");
    plan->snapshot = g_strdup("SNAPSHOT");
    return qemuSnapshotFindingFormat(rule, plan, &need, 2);
}

/* Each kind can be found in one way at least, and names domain and snapshot. */
static void
testAll(void)
{
    for (int kind = 0; kind < QEMU_SNAPSHOT_NEED_LAST; kind++) {
        guint found = 0;

        for (int answer = QEMU_SNAPSHOT_ANSWER_MISSING;
             answer <= QEMU_SNAPSHOT_ANSWER_UNFIT; answer++) {
            const qemuSnapshotFindingRule *rule = qemuSnapshotFindingRuleFor(kind, answer);
            g_autofree char *text = rule->text ? format(rule, "NAME") : NULL;

            if (!text)
                continue;
            found++;
            g_assert_nonnull(strstr(text, "'DOMAIN'"));
            g_assert_nonnull(strstr(text, "'SNAPSHOT'"));
            g_assert_null(strpbrk(text, "{}\n"));
            g_assert_null(strstr(text, "  "));
            g_assert_false(g_str_has_suffix(text, "."));
            g_assert_cmpint(rule->code == VIR_ERR_SNAPSHOT_REVERT_RISKY, ==,
                            rule->weight == QEMU_SNAPSHOT_FINDING_RISKY);
            g_assert_cmpint(rule->code == VIR_ERR_OK, ==,
                            rule->weight == QEMU_SNAPSHOT_FINDING_NOTE);
        }
        g_assert_cmpuint(found, >=, 1);
    }
}

/* Names are other people's, and stay as they are. */
static void
testBraces(void)
{
    static const qemuSnapshotFindingRule rule = {
        0, 0, "{domain} {snapshot} {name} {more} {amount} {why} {other} {"
    };
    g_autofree char *text = format(&rule, "{domain}{why");

    g_assert_cmpstr(text, ==, "DOMAIN SNAPSHOT {domain}{why MORE 2.0\302\240MiB "
                    "No such file or directory {other} {");
}

static void
testNoName(void)
{
    static const qemuSnapshotFindingRule rule = { 0, 0, "'{name}'" };
    g_autofree char *text = format(&rule, NULL);

    g_assert_cmpstr(text, ==, "''");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_snapshot_preflight_text/all", testAll);
    g_test_add_func("/qemu_snapshot_preflight_text/braces", testBraces);
    g_test_add_func("/qemu_snapshot_preflight_text/no-name", testNoName);
    return g_test_run();
}
