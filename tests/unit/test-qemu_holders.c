/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_holders.c: images, what each stands on, and how holders are called
 */

#include "config.h"

#include "qemu_holders.h"

static void
testImages(void)
{
    g_autoptr(qemuHolders) holders = qemuHoldersNew();
    qemuHoldersImage *base = qemuHoldersNeedImage(holders, "1", "/images/base");
    qemuHoldersImage *data = qemuHoldersNeedImage(holders, "2", "/images/data");
    qemuHoldersImage *top = qemuHoldersNeedImage(holders, "3", "/images/top");
    qemuHoldersImage *other = qemuHoldersNeedImage(holders, "4", "/images/other");
    qemuHolder *holder = qemuHoldersAdd(holders, QEMU_HOLDER_RUNNING);
    g_autoptr(GPtrArray) all = NULL;

    /* by another name it is the same */
    g_assert_true(qemuHoldersNeedImage(holders, "1", "/elsewhere/base") == base);
    g_assert_cmpstr(qemuHoldersImagePath(base), ==, "/images/base");

    qemuHoldersImageAddBelow(top, data, FALSE);
    qemuHoldersImageAddBelow(top, base, TRUE);
    qemuHoldersImageAddBelow(top, base, TRUE);
    g_assert_true(qemuHoldersImageBacking(top) == base);
    g_assert_null(qemuHoldersImageBacking(base));

    g_ptr_array_add(holder->images, top);
    all = qemuHolderImages(holder);
    g_assert_cmpuint(all->len, ==, 3);
    g_assert_true(g_ptr_array_index(all, 0) == top);
    g_assert_true(qemuHolderHasPair(holder, top, base));
    g_assert_false(qemuHolderHasPair(holder, other, base));
    g_assert_false(qemuHolderHasPair(holder, base, top));

    /* two that it could be are none that it is */
    qemuHoldersImageAddBelow(top, other, TRUE);
    g_assert_null(qemuHoldersImageBacking(top));
}

static void
testPaths(void)
{
    g_autoptr(qemuHolders) holders = qemuHoldersNew();
    qemuHoldersImage *image = qemuHoldersNeedImage(holders, "1", "/images/a");

    g_assert_null(qemuHoldersFind(holders, "/images/a"));
    qemuHoldersAllow(holders, "/images/a", image);
    g_assert_true(qemuHoldersFind(holders, "/images/a") == image);

    g_assert_false(qemuHoldersImageIsUnread(image));
    qemuHoldersImageSetUnread(image, "damaged");
    g_assert_true(qemuHoldersImageIsUnread(image));
}

static void
testFormat(void)
{
    static const struct {
        qemuHolderKind kind;
        const char *uuid;
        const char *text;
    } rows[] = {
        { QEMU_HOLDER_RUNNING, "u", "domain 'vm'" },
        { QEMU_HOLDER_DEFINED, NULL, "domain 'vm'" },
        { QEMU_HOLDER_SAVED, "u", "domain 'vm'" },
        { QEMU_HOLDER_SNAPSHOT, "u", "snapshot 's1'" },
        { QEMU_HOLDER_SNAPSHOT, "other", "snapshot 's1' of domain 'vm'" },
        { QEMU_HOLDER_SNAPSHOT, NULL, "snapshot 's1' of domain 'vm'" },
        { QEMU_HOLDER_IMAGE, NULL, "image '/images/a'" },
        { QEMU_HOLDER_PROGRAM, NULL, "a program that has it open" },
    };
    g_autoptr(qemuHolders) holders = qemuHoldersNew();

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        qemuHolder *holder = qemuHoldersAdd(holders, rows[i].kind);
        g_autofree char *text = NULL;

        holder->uuid = g_strdup("u");
        holder->domain = g_strdup("vm");
        holder->snapshot = g_strdup("s1");
        g_ptr_array_add(holder->images, qemuHoldersNeedImage(holders, "1", "/images/a"));
        text = qemuHolderFormat(holder, rows[i].uuid);
        g_assert_cmpstr(text, ==, rows[i].text);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu_holders/images", testImages);
    g_test_add_func("/qemu_holders/paths", testPaths);
    g_test_add_func("/qemu_holders/format", testFormat);
    return g_test_run();
}
