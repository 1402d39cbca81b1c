/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapimagename.c: which files the name of an image means
 */

#include "config.h"

#include "virsnapimagename.h"

typedef struct _nameCase nameCase;
struct _nameCase {
    const char *test;
    const char *name;
    const char *paths;    /* with spaces between them */
};

static const nameCase cases[] = {
    { "relative", "base.qcow2", "/i/base.qcow2" },
    { "absolute", "/b/base.qcow2", "/b/base.qcow2" },
    { "colon", "./a:b", "/i/a:b" },
    { "file", "file:base.qcow2", "/i/base.qcow2" },
    { "file-absolute", "file:/b/a:b", "/b/a:b" },
    { "protocol", "nbd://host/export", "" },
    { "empty", "", "" },
    { "json", "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\","
              "\"filename\":\"/b/base\"}}", "/b/base" },
    { "json-flat", "json:{\"driver\":\"qcow2\",\"file.driver\":\"file\","
                   "\"file.filename\":\"base\"}", "/i/base" },
    { "json-backing", "json:{\"file\":{\"filename\":\"/b/a\"},"
                      "\"backing\":{\"file\":{\"filename\":\"/b/b\"}}}", "/b/a /b/b" },
    { "json-array", "json:{\"children\":[{\"filename\":\"/b/a\"},{\"filename\":\"/b/b\"}]}",
      "/b/a /b/b" },
    { "json-protocol", "json:{\"driver\":\"nbd\",\"server\":{\"path\":\"/b/a\"}}", "" },
    { "json-types", "json:{\"filename\":3,\"file\":{\"filename\":null}}", "" },
    { "json-broken", "json:{\"filename\":", "" },
    { "json-no-object", "json:\"/b/a\"", "" },
};

static void
testName(const void *opaque)
{
    const nameCase *test = opaque;
    g_autoptr(GPtrArray) paths = virSnapImageNameFiles("/i/top.qcow2", test->name);
    g_autofree char *joined = NULL;

    g_ptr_array_add(paths, NULL);
    joined = g_strjoinv(" ", (char **)paths->pdata);
    g_assert_cmpstr(joined, ==, test->paths);
}

static void
testPlain(void)
{
    g_assert_true(virSnapImageNameIsPlain("base"));
    g_assert_true(virSnapImageNameIsPlain("/a:b"));
    g_assert_false(virSnapImageNameIsPlain("a:b"));
    g_assert_false(virSnapImageNameIsPlain("json:{}"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/virsnapimagename/", cases[i].test, NULL);

        g_test_add_data_func(path, &cases[i], testName);
    }
    g_test_add_func("/virsnapimagename/plain", testPlain);
    return g_test_run();
}
