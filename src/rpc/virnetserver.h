/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetserver.h: sockets, clients and their messages, in one event loop
 */

#pragma once

#include <glib.h>

#include "virnetmessage.h"

typedef struct _virNetServer virNetServer;
typedef struct _virNetServerClient virNetServerClient;

/* What the server wants to know about a message before it takes its payload.
 * Returns how many bytes of payload it may have; a longer one is passed over
 * unread, and `handle` gets payload NULL. */
typedef gsize (*virNetServerLimitFunc)(const virNetMessageHeader *header);

/* Called in the loop's thread for each message. The client may be kept (with
 * virNetServerClientRef()) to answer later, from any thread. The payload
 * belongs to the function. */
typedef void (*virNetServerHandleFunc)(virNetServerClient *client,
                                       const virNetMessageHeader *header,
                                       GBytes *payload, void *opaque);

typedef struct _virNetServerConfig virNetServerConfig;
struct _virNetServerConfig {
    guint max_clients;
    guint max_client_calls;      /* unanswered ones of one client; then it waits */
    guint idle_timeout;          /* seconds without client between calls of `idle`;
                                  * 0: never */
    virNetServerLimitFunc limit;
    virNetServerHandleFunc handle;
    void (*idle)(void *opaque);
    void *opaque;
};

virNetServer *virNetServerNew(const virNetServerConfig *config);
void virNetServerFree(virNetServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetServer, virNetServerFree)

/* Takes over a listening socket. */
void virNetServerAddListener(virNetServer *server, int fd, gboolean readonly);

/* Makes and takes over a listening UNIX socket at `path` with exactly `mode`
 * and, unless it is (gid_t)-1, that group. A stale socket there is replaced. */
gboolean virNetServerListen(virNetServer *server, const char *path, mode_t mode,
                            gid_t gid, gboolean readonly, GError **error);

/* No new clients, no new calls; those taken are still answered. */
void virNetServerStop(virNetServer *server);

virNetServerClient *virNetServerClientRef(virNetServerClient *client);
void virNetServerClientUnref(virNetServerClient *client);
gboolean virNetServerClientIsReadonly(const virNetServerClient *client);

/* Sends the reply to one call; from any thread. A client that is gone, or
 * goes, does not get it, which is no error. */
void virNetServerClientReply(virNetServerClient *client, GBytes *message);
