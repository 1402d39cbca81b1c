/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_port.c: does someone listen on a TCP port already?
 *
 * The kernel's lists are read, and the port is not tried: at that moment QEMU of another
 * domain could want it.
 */

#include "config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "qemu_snapshot_preflight_port.h"
#include "virsnappaths.h"

/* addresses as the kernel writes them: of IPv4 8 digits, of IPv6 32 */
#define ADDRESS_LEN 8
#define ADDRESS6_LEN 32
#define ANY "00000000"
#define ANY6 "00000000000000000000000000000000"
#define MAPPED "0000000000000000FFFF0000"
#define STATE_LISTEN 0x0A
/* ports times a few addresses, and an end in any case */
#define LINES_MAX (4 * 65536)

/* The address as the kernel writes it; NULL for a name, which is not looked up. */
static char *
formatAddress(const char *address)
{
    guint32 words[4];

    if (!address || g_str_equal(address, "localhost"))
        address = "127.0.0.1";
    if (inet_pton(AF_INET, address, words) == 1)
        return g_strdup_printf("%08X", words[0]);
    if (inet_pton(AF_INET6, address, words) == 1)
        return g_strdup_printf("%08X%08X%08X%08X", words[0], words[1], words[2],
                               words[3]);
    return NULL;
}

/* Whether sockets of the two addresses are in each other's way. One of IPv6 for all
 * addresses takes IPv4's, too, unless it was told not to, which the list does not say. */
static gboolean
addressesMeet(const char *wanted, const char *taken)
{
    gboolean wants4 = strlen(wanted) == ADDRESS_LEN;
    gboolean takes4 = strlen(taken) == ADDRESS_LEN;

    if (g_str_equal(wanted, taken) || g_str_equal(taken, ANY6))
        return TRUE;
    if (wants4 && !takes4)
        return g_str_has_prefix(taken, MAPPED) &&
               addressesMeet(wanted, taken + strlen(MAPPED));
    if (wants4 != takes4)
        return FALSE;
    return g_str_equal(taken, ANY) || g_str_equal(wanted, ANY) ||
           g_str_equal(wanted, ANY6);
}

/* FALSE where there is no such list. Those that listen come first in it. */
static gboolean
readList(GPtrArray *ports, const char *root, const char *path)
{
    g_autofree char *file = g_strconcat(root, path, NULL);
    FILE *list = fopen(file, "re");
    char line[512];
    char address[ADDRESS6_LEN + 1];
    guint number;
    guint state;

    if (!list)
        return FALSE;

    for (guint i = 0; i < LINES_MAX && fgets(line, sizeof(line), list); i++) {
        if (sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &number,
                   &state) != 3)
            continue;
        if (state != STATE_LISTEN)
            break;
        g_ptr_array_add(ports, g_strdup_printf("%u %s", number, address));
    }

    fclose(list);
    return TRUE;
}

GPtrArray *
qemuSnapshotPortsRead(const char *root)
{
    g_autoptr(GPtrArray) ports = g_ptr_array_new_with_free_func(g_free);

    /* without IPv6 there is no second list */
    if (!readList(ports, root, VIR_SNAP_PATH_TCP))
        return NULL;
    readList(ports, root, VIR_SNAP_PATH_TCP6);
    return g_steal_pointer(&ports);
}

qemuSnapshotAnswer
qemuSnapshotPortsHave(GPtrArray *ports, const char *port, const char *address)
{
    g_autofree char *wanted = formatAddress(address);
    guint64 number = g_ascii_strtoull(port, NULL, 10);

    if (!ports || !wanted)
        return QEMU_SNAPSHOT_ANSWER_UNKNOWN;

    for (guint i = 0; i < ports->len; i++) {
        const char *taken = g_ptr_array_index(ports, i);

        if (g_ascii_strtoull(taken, NULL, 10) == number &&
            addressesMeet(wanted, strchr(taken, ' ') + 1))
            return QEMU_SNAPSHOT_ANSWER_UNFIT;
    }

    return QEMU_SNAPSHOT_ANSWER_THERE;
}
