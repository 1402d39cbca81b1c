/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapfault.c: failures on demand; in other builds there are none
 */

#include "config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "virsnaperror.h"
#include "virsnapfault.h"

#define WANTED "first fail\nsecond fail\nafter-step fail\nfirst fail\n"

static char *file;

static char *
content(const char *suffix)
{
    g_autofree char *name = g_strconcat(file, suffix, NULL);
    char *text = NULL;

    return g_file_get_contents(name, &text, NULL, NULL) ? text : g_strdup("");
}

static gboolean
fails(const char *point)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *quoted = g_strdup_printf("'%s'", point);
    gboolean passed = virSnapFault(point, &error);

    g_assert_cmpint(passed, ==, error == NULL);
    if (error)
        g_assert_nonnull(strstr(error->message, quoted));
    return !passed;
}

static void
testBuild(void)
{
    g_autofree char *left = NULL;
    g_autofree char *passed = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(file, WANTED, -1, NULL));
    if (!WITH_FAULT_INJECTION) {
        g_assert_false(fails("first"));
        left = content("");
        g_assert_cmpstr(left, ==, WANTED);
        return;
    }

    /* each line is for once, and only for the point of just that name */
    g_assert_false(fails("fir"));
    g_assert_false(fails("first-not"));
    g_assert_true(fails("second"));
    g_assert_false(fails("second"));
    g_assert_true(fails("first"));
    g_assert_true(fails("first"));
    g_assert_false(fails("first"));
    g_assert_true(virSnapFaultStep("before", "step", NULL));
    g_assert_false(virSnapFaultStep("after", "step", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);

    passed = content(".passed");
    g_assert_true(g_str_has_prefix(passed, "fir\nfirst-not\nsecond\nsecond\nfirst\n"));
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = NULL;
    int ret;

    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp("fault.XXXXXX", NULL);
    file = g_build_filename(folder, "wanted", NULL);
    g_setenv("VIRTSNAPSHOTD_FAULT", file, TRUE);
    g_test_add_func("/virsnapfault/build", testBuild);
    ret = g_test_run();

    for (gsize i = 0; i < 3; i++) {
        const char *const suffixes[] = { "", ".passed", ".hit" };
        g_autofree char *name = g_strconcat(file, suffixes[i], NULL);

        g_remove(name);
    }
    g_rmdir(folder);
    g_free(file);
    return ret;
}
