/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_qmp.h: a QMP client
 */

#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef struct _qemuQMP qemuQMP;

/* Takes over the descriptor of a QMP connection. */
qemuQMP *qemuQMPNew(int fd);
void qemuQMPFree(qemuQMP *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuQMP, qemuQMPFree)

/* Whatever is sent and awaited from now on has to be done within that many
 * seconds altogether. Without this call there is no time at all. */
void qemuQMPSetTimeout(qemuQMP *qmp, unsigned int timeout);

/* Sends {"execute": command, "arguments": arguments}, without waiting for the
 * answer; answers come in the order of the commands. Takes over arguments, which
 * may be NULL. */
gboolean qemuQMPSend(qemuQMP *qmp, const char *command, JsonObject *arguments,
                     GError **error);

/* The next message of any kind that the peer sends: greeting, reply, event. With
 * VIR_ERR_OPERATION_TIMEOUT in *error it came too late, with
 * VIR_ERR_OPERATION_FAILED the peer has gone. */
JsonObject *qemuQMPReceive(qemuQMP *qmp, GError **error);

/* The text of an error reply, "GenericError: Could not open ...", or NULL where
 * the message is none. The caller frees it with g_free(). */
char *qemuQMPGetError(JsonObject *message);

/* The string or object at a member that may be missing or of another kind: then
 * NULL. Valid as long as the message is. */
const char *qemuQMPGetString(JsonObject *object, const char *member);
JsonObject *qemuQMPGetObject(JsonObject *object, const char *member);
