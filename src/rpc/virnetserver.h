/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virnetserver.h: sockets, clients and their messages, in one event loop
 */

#pragma once

#include <glib.h>

#include "virnetchannel.h"

typedef struct _virNetServer virNetServer;
typedef struct _virNetServerClient virNetServerClient;

/* All of these are called, and all functions below are to be, in the loop's thread. */
typedef struct _virNetServerConfig virNetServerConfig;
struct _virNetServerConfig {
    guint max_clients;           /* then others wait to be accepted */
    guint max_client_calls;      /* taken ones of one client that are not done; then
                                  * its next one waits */
    guint idle_timeout;          /* seconds without client between calls of `idle`;
                                  * 0: never */

    /* As of virNetChannelFuncs; a message that was taken may be kept, with its client
     * (virNetServerClientRef()), and is done with virNetServerClientReply() or
     * virNetServerClientDone(). */
    virNetChannelVerdict (*decide)(virNetServerClient *client,
                                   const virNetMessageHeader *header,
                                   gsize payload_len, void *opaque);
    void (*taken)(virNetServerClient *client, virNetTaken *taken, void *opaque);

    /* The client has gone. FALSE: virNetServerClientClose() is called later. */
    gboolean (*ended)(virNetServerClient *client, void *opaque);
    /* It is being closed. */
    void (*closed)(virNetServerClient *client, void *opaque);
    void (*idle)(void *opaque);
    void *opaque;
};

virNetServer *virNetServerNew(virSnapWatcher *watcher, const virNetServerConfig *config);
void virNetServerFree(virNetServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetServer, virNetServerFree)

/* Takes over a listening socket. */
void virNetServerAddListener(virNetServer *server, int fd, gboolean readonly);

/* Makes and takes over a listening UNIX socket at `path` with exactly `mode`
 * and, unless it is (gid_t)-1, that group. A stale socket there is replaced. */
gboolean virNetServerListen(virNetServer *server, const char *path, mode_t mode,
                            gid_t gid, gboolean readonly, GError **error);

/* No new clients, no new messages from them; the calls taken are still answered. */
void virNetServerStop(virNetServer *server);

virNetServerClient *virNetServerClientRef(virNetServerClient *client);
void virNetServerClientUnref(virNetServerClient *client);
gboolean virNetServerClientIsReadonly(const virNetServerClient *client);

/* NULL once it is closed. */
virNetChannel *virNetServerClientGetChannel(virNetServerClient *client);
void virNetServerClientClose(virNetServerClient *client);

/* What belongs to the client, for `closed` to free. */
void virNetServerClientSetData(virNetServerClient *client, void *data);
void *virNetServerClientGetData(virNetServerClient *client);

/* One call that was taken needs no answer from here. */
void virNetServerClientDone(virNetServerClient *client);

/* Sends the reply to one call that was taken. A client that is gone, or goes, does not
 * get it, which is no error. */
void virNetServerClientReply(virNetServerClient *client, GBytes *message);
