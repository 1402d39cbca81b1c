/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapsurvey.h: what many images are, and stand on
 */

#pragma once

#include <glib.h>

/* What is remembered of images between one look and the next. */
typedef struct _virSnapSurvey virSnapSurvey;

/* What an image names as being below it. */
typedef struct _virSnapSurveyName virSnapSurveyName;
struct _virSnapSurveyName {
    char *path;
    char *format;           /* NULL: not said */
    gboolean is_backing;    /* FALSE: it has the image's clusters in it */
};

/* What was found by a path, taken in a format. */
typedef struct _virSnapSurveyed virSnapSurveyed;
struct _virSnapSurveyed {
    char *key;              /* its identity: that of the file or device, or of one that
                             * is not there its path */
    GPtrArray *below;       /* of virSnapSurveyName; the data file among them */
    char *fault;            /* why that can't be told; NULL: it can */
    gboolean lost;          /* its identity can't be told, either */
    guint internal;         /* how many internal snapshots a qcow2 has in it */
};

void virSnapSurveyedFree(virSnapSurveyed *found);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapSurveyed, virSnapSurveyedFree)

virSnapSurvey *virSnapSurveyNew(void);
void virSnapSurveyFree(virSnapSurvey *survey);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSnapSurvey, virSnapSurveyFree)

/* What is to be looked at. A format of NULL was not said: what the image begins with
 * tells. */
typedef struct _virSnapSurveyItem virSnapSurveyItem;
struct _virSnapSurveyItem {
    const char *path;
    const char *format;
};

/* Looks at all items, by whatever thread: of each a virSnapSurveyed, in their order. One
 * that has not been touched since the last look is not opened again. */
GPtrArray *virSnapSurveyLook(virSnapSurvey *survey, const virSnapSurveyItem *items,
                             gsize n_items);

/* The files in a folder, as paths; of char *. Of more than there could sensibly be not
 * all are told, which is an error, as is a folder that can't be read. One that is not
 * there has none. */
GPtrArray *virSnapSurveyFolder(const char *folder, GError **error);
