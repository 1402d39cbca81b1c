/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapchildwire.h: messages between the daemon and a child of it
 */

#pragma once

#include <glib.h>

/* Open descriptors that go along with a message. */
#define VIR_SNAP_DESCRIPTORS_MAX 64

typedef struct _virSnapDescriptors virSnapDescriptors;
struct _virSnapDescriptors {
    int fds[VIR_SNAP_DESCRIPTORS_MAX];
    guint n;
};

/* Closes all of them. */
void virSnapDescriptorsClose(virSnapDescriptors *descriptors);

/* One end of a pair of stream sockets. */
typedef struct _virSnapChildWire virSnapChildWire;

typedef enum {
    VIR_SNAP_CHILD_WIRE_DONE = 0,
    VIR_SNAP_CHILD_WIRE_LATE,   /* the deadline is over */
    VIR_SNAP_CHILD_WIRE_GONE,   /* the other end is closed, or talks nonsense */
} virSnapChildWireResult;

/* Takes over fd. */
virSnapChildWire *virSnapChildWireNew(int fd);
void virSnapChildWireFree(virSnapChildWire *wire);

/* Both until `deadline`, of g_get_monotonic_time(); 0: without one. Descriptors may be
 * NULL where there are none; those that are sent stay the caller's. */
virSnapChildWireResult virSnapChildWireSend(virSnapChildWire *wire, GVariant *message,
                                            const virSnapDescriptors *descriptors,
                                            gint64 deadline);
virSnapChildWireResult virSnapChildWireReceive(virSnapChildWire *wire,
                                               const GVariantType *type,
                                               GVariant **ret_message,
                                               virSnapDescriptors *ret_descriptors,
                                               gint64 deadline);

/* Whether the other end is there and has said nothing that was not asked for. */
gboolean virSnapChildWireIsQuiet(virSnapChildWire *wire);

/* Tells the other end that nothing more will come, and takes no notice of what it still
 * says. TRUE once it is closed; doesn't wait. */
gboolean virSnapChildWireIsClosed(virSnapChildWire *wire);
