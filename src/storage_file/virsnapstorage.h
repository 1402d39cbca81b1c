/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapstorage.h: access to storage that may never answer
 */

#pragma once

#include "virsnapchild.h"

/* Before there are threads: see virSnapChildInit(). A storage that does not answer within
 * timeout seconds is given up. */
gboolean virSnapStorageInit(unsigned int timeout, GError **error);

/* Has the operation done for `path`, which is looked at only to tell its storage, and
 * waits for its result; consumes args where floating. Descriptors may be NULL where there
 * are none; those that are returned are the caller's to close. Where the storage does not
 * answer the error is VIR_ERR_OPERATION_TIMEOUT, "storage at '/mnt' does not answer", and
 * until it has answered, that is the error at once of whatever is asked for there. */
GVariant *virSnapStorageRead(const virSnapChildOp *op, const char *path, GVariant *args,
                             const virSnapDescriptors *descriptors,
                             virSnapDescriptors *ret_descriptors, GError **error);

/* What those go by who must know whether a change may still come: the child has `fd`, if
 * that isn't -1, open for as long as it may carry out the change, and `pending` is set by
 * one that was not answered. Of a file that is locked by flock(2) through fd the lock is
 * held for as long, whatever becomes of the daemon. */
typedef struct _virSnapStorageHold virSnapStorageHold;
struct _virSnapStorageHold {
    int fd;
    gboolean pending;
};

/* The same for one that changes something. `hold` may be NULL. */
GVariant *virSnapStorageChange(virSnapStorageHold *hold, const virSnapChildOp *op,
                               const char *path, GVariant *args,
                               const virSnapDescriptors *descriptors,
                               virSnapDescriptors *ret_descriptors, GError **error);

/* What is read of many files. */
typedef struct _virSnapStorageItem virSnapStorageItem;
struct _virSnapStorageItem {
    const char *path;
    GVariant *args;   /* not floating */
};

/* Of the item of that number: either result or error. */
typedef void (*virSnapStorageItemFunc)(gsize number, GVariant *result,
                                       const GError *error, void *opaque);

/* Has the operation done for each, at some microseconds for the way there and back. It is
 * called once for each, not always in their order. One that is not answered keeps the
 * others from nothing, but for those on the same storage. */
void virSnapStorageReadMany(const virSnapChildOp *op, const virSnapStorageItem *items,
                            gsize n_items, virSnapStorageItemFunc func, void *opaque);
