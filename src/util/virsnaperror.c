/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnaperror.c: libvirt's error codes carried in a GError
 */

#include "config.h"

#include "virsnaperror.h"

GQuark
virSnapErrorQuark(void)
{
    return g_quark_from_static_string("vir-snap-error-quark");
}

void
virSnapErrorSetErrno(GError **error, virErrorNumber code, int saved_errno,
                     const char *fmt, ...)
{
    g_autofree char *sentence = NULL;
    va_list args;

    va_start(args, fmt);
    sentence = g_strdup_vprintf(fmt, args);
    va_end(args);

    g_set_error(error, VIR_SNAP_ERROR, code, "%s: %s",
                sentence, g_strerror(saved_errno));
}

void
virSnapErrorSetLibvirt(GError **error, const char *fmt, ...)
{
    virErrorPtr last = virGetLastError();
    virErrorNumber code = VIR_ERR_INTERNAL_ERROR;
    g_autofree char *sentence = NULL;
    va_list args;

    va_start(args, fmt);
    sentence = g_strdup_vprintf(fmt, args);
    va_end(args);

    if (last && last->code != VIR_ERR_OK)
        code = last->code;

    g_set_error(error, VIR_SNAP_ERROR, code, "%s: %s", sentence,
                last && last->message ? last->message : _("unknown cause"));
}

virErrorNumber
virSnapErrorCode(const GError *error)
{
    if (error->domain != VIR_SNAP_ERROR)
        return VIR_ERR_INTERNAL_ERROR;

    return error->code;
}
