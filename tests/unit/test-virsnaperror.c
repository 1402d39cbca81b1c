/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnaperror.c: libvirt's error codes carried in a GError
 */

#include "config.h"

#include <errno.h>
#include <gio/gio.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "virsnaperror.h"

static void
testErrno(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected =
        g_strdup_printf("cannot open '/a%%s': %s", g_strerror(ENOENT));

    virSnapErrorSetErrno(&error, VIR_ERR_OPERATION_FAILED, ENOENT, "cannot open '%s'",
                         "/a%s");
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED);
    g_assert_cmpstr(error->message, ==, expected);
}

static void
testLibvirt(void)
{
    g_autoptr(GError) error = NULL;
    virConnectPtr conn = virConnectOpen("test:///default");

    g_assert_null(virDomainLookupByName(conn, "nobody"));
    virSnapErrorSetLibvirt(&error, "cannot find domain '%s'", "nobody");
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    g_assert_true(g_str_has_prefix(error->message, "cannot find domain 'nobody': "));
    g_assert_true(g_str_has_suffix(error->message, virGetLastErrorMessage()));
    virConnectClose(conn);
}

/* Where libvirt has reported nothing it is an error all the same. */
static void
testLibvirtSilent(void)
{
    g_autoptr(GError) error = NULL;

    virResetLastError();
    virSnapErrorSetLibvirt(&error, "cannot stop");
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR);
    g_assert_true(g_str_has_prefix(error->message, "cannot stop: "));
    g_assert_cmpuint(strlen(error->message), >, strlen("cannot stop: "));
}

static void
testNobodyAsks(void)
{
    virSnapErrorSetErrno(NULL, VIR_ERR_OPERATION_FAILED, ENOENT, "nothing");
    virSnapErrorSetLibvirt(NULL, "nothing");
}

static void
testCode(void)
{
    g_autoptr(GError) own = g_error_new_literal(VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN, "a");
    g_autoptr(GError) other = g_error_new_literal(G_IO_ERROR, VIR_ERR_NO_DOMAIN, "b");

    g_assert_cmpint(virSnapErrorCode(own), ==, VIR_ERR_NO_DOMAIN);
    g_assert_cmpint(virSnapErrorCode(other), ==, VIR_ERR_INTERNAL_ERROR);
}

static void
ignoreError(void *opaque G_GNUC_UNUSED, virErrorPtr error G_GNUC_UNUSED)
{
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    virSetErrorFunc(NULL, ignoreError);
    g_test_add_func("/virsnaperror/errno", testErrno);
    g_test_add_func("/virsnaperror/libvirt", testLibvirt);
    g_test_add_func("/virsnaperror/libvirt-silent", testLibvirtSilent);
    g_test_add_func("/virsnaperror/nobody-asks", testNobodyAsks);
    g_test_add_func("/virsnaperror/code", testCode);
    return g_test_run();
}
