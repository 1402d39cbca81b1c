/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapchild.h: child processes for what may never return
 */

#pragma once

#include "virsnapchildwire.h"

/* What a child can be asked to do. It runs in the child, which has one thread: `args` are
 * those of the call, `in` the descriptors that came with it, which are closed after it.
 * Returns a floating result, or NULL with *error set; the descriptors in `out` go to the
 * caller. */
typedef GVariant *(*virSnapChildFunc)(GVariant *args, const virSnapDescriptors *in,
                                      virSnapDescriptors *out, GError **error);

/* Static: children are made by fork() alone, so that its address is the same in them. */
typedef struct _virSnapChildOp virSnapChildOp;
struct _virSnapChildOp {
    const char *name;
    virSnapChildFunc run;
};

/* Makes the process whose children are made from. Once, before there are threads, and
 * with what is not for children closed on exec or open already: they close all of it. */
gboolean virSnapChildInit(GError **error);

typedef struct _virSnapChild virSnapChild;

/* One that has nothing to do. To be given back after the last answer, or freed, at which
 * it ends as soon as it can. */
virSnapChild *virSnapChildTake(GError **error);
void virSnapChildGiveBack(virSnapChild *child);
void virSnapChildFree(virSnapChild *child);

/* Asks for something. With `many`, `args` is an array of variants, each of which gets an
 * answer of its own, in their order. Consumes args where it is floating. */
virSnapChildWireResult virSnapChildAsk(virSnapChild *child, const virSnapChildOp *op,
                                       gboolean many, GVariant *args,
                                       const virSnapDescriptors *descriptors,
                                       gint64 deadline);

/* What the child says that it looks at, since it was asked, if it does: else NULL. */
const char *virSnapChildIsAt(const virSnapChild *child);

/* The next answer: either *ret_result or, where the operation failed, *ret_failure; or
 * neither, where the child has said what it looks at and goes on. */
virSnapChildWireResult virSnapChildAnswer(virSnapChild *child, GVariant **ret_result,
                                          virSnapDescriptors *ret_descriptors,
                                          GError **ret_failure, gint64 deadline);

/* Whether one that is given no more to do has ended. Doesn't wait. */
gboolean virSnapChildHasEnded(virSnapChild *child);

/* In a child: whether who asked waits no more. */
gboolean virSnapChildIsGivenUp(void);

/* In a child, and of no effect elsewhere: before a file is looked at that who asked does
 * not know of, as it was found in an image. */
void virSnapChildTellIsAt(const char *path);
