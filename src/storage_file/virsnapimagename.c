/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virsnapimagename.c: which files the name of an image means
 *
 * QEMU takes more for the name of a backing image than a path. Nothing is opened by
 * such a name here; but the files that it means are needed, and must be known to be.
 */

#include "config.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "virsnapfile.h"
#include "virsnapimagename.h"

#define FILE_PREFIX "file:"

/* A path may hold a colon only behind a slash, as for QEMU. */
gboolean
virSnapImageNameIsPlain(const char *name)
{
    return strcspn(name, ":") >= strcspn(name, "/");
}

typedef struct _nameFiles nameFiles;
struct _nameFiles {
    GPtrArray *paths;
    const char *file;     /* the image that has the name */
};

static void
addName(nameFiles *files, const char *name)
{
    gsize skip = strncmp(name, FILE_PREFIX, strlen(FILE_PREFIX)) == 0 ?
        strlen(FILE_PREFIX) : 0;

    if (name[skip] && (skip > 0 || virSnapImageNameIsPlain(name)))
        g_ptr_array_add(files->paths, virSnapFileBeside(files->file, name + skip));
}

static void addFilenames(nameFiles *files, JsonNode *node);

/* Options may be nested, or have their path in their names. */
static void
addMember(JsonObject *object G_GNUC_UNUSED, const char *member, JsonNode *node,
          void *opaque)
{
    nameFiles *files = opaque;
    gboolean filename = g_str_equal(member, "filename") ||
        g_str_has_suffix(member, ".filename");

    if (filename && JSON_NODE_HOLDS_VALUE(node) &&
        json_node_get_value_type(node) == G_TYPE_STRING)
        addName(files, json_node_get_string(node));
    else
        addFilenames(files, node);
}

static void
addElement(JsonArray *array G_GNUC_UNUSED, guint index G_GNUC_UNUSED, JsonNode *node,
           void *opaque)
{
    addFilenames(opaque, node);
}

static void
addFilenames(nameFiles *files, JsonNode *node)
{
    if (JSON_NODE_HOLDS_OBJECT(node))
        json_object_foreach_member(json_node_get_object(node), addMember, files);
    else if (JSON_NODE_HOLDS_ARRAY(node))
        json_array_foreach_element(json_node_get_array(node), addElement, files);
}

GPtrArray *
virSnapImageNameFiles(const char *file, const char *name)
{
    nameFiles files = { .paths = g_ptr_array_new_with_free_func(g_free), .file = file };
    g_autoptr(JsonNode) root = NULL;

    if (!g_str_has_prefix(name, "json:"))
        addName(&files, name);
    else if ((root = json_from_string(name + strlen("json:"), NULL)))
        addFilenames(&files, root);

    return files.paths;
}
