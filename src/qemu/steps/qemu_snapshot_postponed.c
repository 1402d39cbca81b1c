/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_postponed.c: images to be deleted once it can be told that nobody needs them
 *
 * What a revert has left and may not delete yet, since a storage pool is not active or a
 * storage does not answer, would be forgotten with the revert. Its path and identity are
 * kept in a file for each domain, beside the journals, until someone can tell.
 */

#include "config.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <libvirt/libvirt.h>
#include <string.h>
#include <unistd.h>

#include "qemu_snapshot_postponed.h"
#include "virsnaperror.h"

#define SUFFIX ".postponed"
/* one for each disk and revert while a storage is away; some hundred bytes each */
#define LIST_MAX 10000

qemuSnapshotPostponed *
qemuSnapshotPostponedNew(const char *file, const virSnapFileID *id, gint64 modified)
{
    qemuSnapshotPostponed *postponed = g_new0(qemuSnapshotPostponed, 1);

    postponed->file = g_strdup(file);
    postponed->id = *id;
    postponed->modified = modified;
    return postponed;
}

void
qemuSnapshotPostponedFree(qemuSnapshotPostponed *postponed)
{
    if (!postponed)
        return;

    g_free(postponed->file);
    g_free(postponed);
}

static char *
listPath(const char *folder, const char *uuid)
{
    g_autofree char *name = g_strconcat(uuid, SUFFIX, NULL);

    return g_build_filename(folder, name, NULL);
}

static gboolean
hasMember(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static gboolean
parseEntry(JsonNode *node, GPtrArray *list)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    virSnapFileID id;

    if (!object || !hasMember(object, "file", G_TYPE_STRING) ||
        !hasMember(object, "inode", G_TYPE_STRING) ||
        !hasMember(object, "born", G_TYPE_INT64) ||
        !hasMember(object, "modified", G_TYPE_INT64) ||
        !g_path_is_absolute(json_object_get_string_member(object, "file")))
        return FALSE;

    /* JSON's numbers end at 2^63 */
    if (!g_ascii_string_to_unsigned(json_object_get_string_member(object, "inode"), 10, 1,
                                    G_MAXUINT64, &id.inode, NULL))
        return FALSE;
    id.born = json_object_get_int_member(object, "born");
    g_ptr_array_add(list,
                    qemuSnapshotPostponedNew(
                        json_object_get_string_member(object, "file"), &id,
                        json_object_get_int_member(object, "modified")));
    return TRUE;
}

static gboolean
parseList(const char *text, GPtrArray *list)
{
    g_autoptr(JsonNode) root = json_from_string(text, NULL);
    JsonArray *array =
        root && JSON_NODE_HOLDS_ARRAY(root) ? json_node_get_array(root) : NULL;
    guint n = array ? json_array_get_length(array) : 0;

    for (guint i = 0; i < n; i++) {
        if (n > LIST_MAX || !parseEntry(json_array_get_element(array, i), list))
            return FALSE;
    }

    return array != NULL;
}

GPtrArray *
qemuSnapshotPostponedRead(const char *folder, const char *uuid)
{
    g_autofree char *path = listPath(folder, uuid);
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)qemuSnapshotPostponedFree);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(path, &text, NULL, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            g_warning(_("the list of images to be deleted later can't be read: %s"),
                      error->message);
        return list;
    }

    if (!parseList(text, list)) {
        g_warning(_("the list of images to be deleted later, '%s', is damaged; what it "
                    "named stays"), path);
        g_ptr_array_set_size(list, 0);
    }

    return list;
}

static char *
formatList(GPtrArray *list)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_ARRAY);
    JsonArray *array = json_array_new();

    json_node_take_array(root, array);
    for (guint i = 0; i < list->len; i++) {
        const qemuSnapshotPostponed *postponed = g_ptr_array_index(list, i);
        JsonObject *object = json_object_new();
        g_autofree char *inode =
            g_strdup_printf("%" G_GUINT64_FORMAT, postponed->id.inode);

        json_object_set_string_member(object, "file", postponed->file);
        json_object_set_string_member(object, "inode", inode);
        json_object_set_int_member(object, "born", postponed->id.born);
        json_object_set_int_member(object, "modified", postponed->modified);
        json_array_add_object_element(array, object);
    }

    return json_to_string(root, TRUE);
}

gboolean
qemuSnapshotPostponedWrite(const char *folder, const char *uuid, GPtrArray *list,
                           GError **error)
{
    g_autofree char *path = listPath(folder, uuid);
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;

    if (list->len == 0) {
        if (unlink(path) == 0 || errno == ENOENT)
            return TRUE;
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot remove '%s'"), path);
        return FALSE;
    }

    text = formatList(list);
    if (g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT |
                                 G_FILE_SET_CONTENTS_DURABLE, 0600, &cause))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                _("cannot write the list of images to be deleted later: %s"),
                cause->message);
    return FALSE;
}

GPtrArray *
qemuSnapshotPostponedList(const char *folder)
{
    GPtrArray *uuids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, SUFFIX) &&
            strlen(name) == VIR_UUID_STRING_BUFLEN - 1 + strlen(SUFFIX))
            g_ptr_array_add(uuids, g_strndup(name, VIR_UUID_STRING_BUFLEN - 1));
    }

    return uuids;
}
