/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapchild.c: children that answer, fail, are late or gone
 */

#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "virsnapchild.h"
#include "virsnaperror.h"

static GVariant *
doubleRun(GVariant *args, const virSnapDescriptors *in G_GNUC_UNUSED,
          virSnapDescriptors *out G_GNUC_UNUSED, GError **error)
{
    gint32 number = g_variant_get_int32(args);

    if (number < 0)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG, "%d is too small", number);
    return number < 0 ? NULL : g_variant_new_int32(2 * number);
}

/* Until the other end of the pipe is closed. */
static GVariant *
waitRun(GVariant *args G_GNUC_UNUSED, const virSnapDescriptors *in,
        virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    char byte;

    virSnapChildTellIsAt("/images/a");
    return g_variant_new_int32(read(in->fds[0], &byte, 1));
}

static GVariant *
endRun(GVariant *args G_GNUC_UNUSED, const virSnapDescriptors *in G_GNUC_UNUSED,
       virSnapDescriptors *out G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    raise(SIGKILL);
    return NULL;
}

static const virSnapChildOp double_op = { "double", doubleRun };
static const virSnapChildOp wait_op = { "wait", waitRun };
static const virSnapChildOp end_op = { "end", endRun };

static virSnapChild *
take(void)
{
    g_autoptr(GError) error = NULL;
    virSnapChild *child = virSnapChildTake(&error);

    g_assert_no_error(error);
    return child;
}

static void
ask(virSnapChild *child, const virSnapChildOp *op, gboolean many, GVariant *args,
    const virSnapDescriptors *descriptors)
{
    g_assert_cmpint(virSnapChildAsk(child, op, many, args, descriptors, 0), ==,
                    VIR_SNAP_CHILD_WIRE_DONE);
}

static virSnapChildWireResult
answer(virSnapChild *child, gint64 deadline, gint32 *ret_number, GError **ret_failure)
{
    virSnapDescriptors received = { .n = 0 };
    g_autoptr(GVariant) result = NULL;
    virSnapChildWireResult rc =
        virSnapChildAnswer(child, &result, &received, ret_failure, deadline);

    if (result)
        *ret_number = g_variant_get_int32(result);
    return rc;
}

/* Each of many has its own answer, in their order, whatever became of the one before. */
static void
testMany(void)
{
    static const gint32 numbers[] = { 1, -1, 21 };
    g_auto(GVariantBuilder) builder = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("av"));
    virSnapChild *child = take();

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        g_variant_builder_add(&builder, "v", g_variant_new_int32(numbers[i]));
    ask(child, &double_op, TRUE, g_variant_builder_end(&builder), NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autoptr(GError) failure = NULL;
        gint32 number = 0;

        g_assert_cmpint(answer(child, 0, &number, &failure), ==, VIR_SNAP_CHILD_WIRE_DONE);
        if (numbers[i] < 0)
            g_assert_error(failure, VIR_SNAP_ERROR, VIR_ERR_INVALID_ARG);
        else
            g_assert_cmpint(number, ==, 2 * numbers[i]);
    }
    virSnapChildGiveBack(child);
}

/* It says what it looks at, and when it has ended after all. */
static void
testLate(void)
{
    virSnapDescriptors in = { .n = 1 };
    virSnapChild *child = take();
    gint32 number = 0;
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    in.fds[0] = fds[0];
    ask(child, &wait_op, FALSE, g_variant_new_int32(0), &in);
    close(fds[0]);
    g_assert_cmpint(answer(child, 0, &number, NULL), ==, VIR_SNAP_CHILD_WIRE_DONE);
    g_assert_cmpstr(virSnapChildIsAt(child), ==, "/images/a");
    g_assert_cmpint(answer(child, 1, &number, NULL), ==, VIR_SNAP_CHILD_WIRE_LATE);
    g_assert_false(virSnapChildHasEnded(child));

    close(fds[1]);
    while (!virSnapChildHasEnded(child))
        g_usleep(1000);
    virSnapChildFree(child);
}

static void
testGone(void)
{
    virSnapChild *child = take();
    gint32 number = 0;

    ask(child, &end_op, FALSE, g_variant_new_int32(0), NULL);
    g_assert_cmpint(answer(child, 0, &number, NULL), ==, VIR_SNAP_CHILD_WIRE_GONE);
    virSnapChildFree(child);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_true(virSnapChildInit(NULL));
    g_test_add_func("/virsnapchild/many", testMany);
    g_test_add_func("/virsnapchild/late", testLate);
    g_test_add_func("/virsnapchild/gone", testGone);
    return g_test_run();
}
