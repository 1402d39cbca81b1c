/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_journal_plan.c: the plan of a revert as JSON
 */

#include "config.h"

#include <json-glib/json-glib.h>

#include "qemu_snapshot_journal_plan.h"

typedef struct _journalMember journalMember;
struct _journalMember {
    const char *name;
    gsize offset;
};

#define MEMBER(type, name) { #name, G_STRUCT_OFFSET(type, name) }

static const journalMember plan_strings[] = {
    MEMBER(qemuSnapshotPlan, id),
    MEMBER(qemuSnapshotPlan, domain),
    MEMBER(qemuSnapshotPlan, snapshot),
    MEMBER(qemuSnapshotPlan, old_xml),
    MEMBER(qemuSnapshotPlan, new_xml),
    MEMBER(qemuSnapshotPlan, memory_file),
    MEMBER(qemuSnapshotPlan, restore_xml),
    MEMBER(qemuSnapshotPlan, snapshot_xml),
};

static const journalMember plan_booleans[] = {
    MEMBER(qemuSnapshotPlan, active),
    MEMBER(qemuSnapshotPlan, paused),
    MEMBER(qemuSnapshotPlan, transient),
    MEMBER(qemuSnapshotPlan, start_paused),
    MEMBER(qemuSnapshotPlan, reset_nvram),
    MEMBER(qemuSnapshotPlan, drop_save),
};

static const journalMember disk_strings[] = {
    MEMBER(qemuSnapshotPlanDisk, target),
    MEMBER(qemuSnapshotPlanDisk, overlay),
    MEMBER(qemuSnapshotPlanDisk, file),
    MEMBER(qemuSnapshotPlanDisk, kept),
};

static const journalMember disk_booleans[] = {
    MEMBER(qemuSnapshotPlanDisk, in_place),
    MEMBER(qemuSnapshotPlanDisk, reused),
};

static const journalMember discard_strings[] = {
    MEMBER(qemuSnapshotPlanDiscard, disk),
    MEMBER(qemuSnapshotPlanDiscard, file),
};

static void
formatMembers(JsonObject *object, const void *from, const journalMember *strings,
              gsize n_strings, const journalMember *booleans, gsize n_booleans)
{
    for (gsize i = 0; i < n_strings; i++) {
        const char *value = G_STRUCT_MEMBER(char *, from, strings[i].offset);

        if (value)
            json_object_set_string_member(object, strings[i].name, value);
    }

    for (gsize i = 0; i < n_booleans; i++)
        json_object_set_boolean_member(object, booleans[i].name,
                                       G_STRUCT_MEMBER(gboolean, from,
                                                       booleans[i].offset));
}

static void
formatID(JsonObject *object, const char *inode, const char *born,
         const virSnapFileID *id)
{
    json_object_set_int_member(object, inode, (gint64)id->inode);
    json_object_set_int_member(object, born, id->born);
}

static JsonArray *
formatDisks(const qemuSnapshotPlan *plan)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < plan->disks->len; i++) {
        const qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        JsonObject *object = json_object_new();

        formatMembers(object, disk, disk_strings, G_N_ELEMENTS(disk_strings),
                      disk_booleans, G_N_ELEMENTS(disk_booleans));
        formatID(object, "inode", "born", &disk->id);
        formatID(object, "old_inode", "old_born", &disk->old_id);
        json_array_add_object_element(array, object);
    }

    return array;
}

static JsonArray *
formatDiscards(const qemuSnapshotPlan *plan)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; i < plan->discards->len; i++) {
        const qemuSnapshotPlanDiscard *discard = g_ptr_array_index(plan->discards, i);
        JsonObject *object = json_object_new();

        formatMembers(object, discard, discard_strings, G_N_ELEMENTS(discard_strings),
                      NULL, 0);
        formatID(object, "inode", "born", &discard->id);
        json_array_add_object_element(array, object);
    }

    return array;
}

char *
qemuSnapshotJournalFormatPlan(const qemuSnapshotPlan *plan, const char *boot)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "boot", boot);
    formatMembers(object, plan, plan_strings, G_N_ELEMENTS(plan_strings),
                  plan_booleans, G_N_ELEMENTS(plan_booleans));
    json_object_set_int_member(object, "start", plan->start);
    json_object_set_array_member(object, "disks", formatDisks(plan));
    json_object_set_array_member(object, "discards", formatDiscards(plan));
    json_node_take_object(root, object);
    return json_to_string(root, TRUE);
}

/* ... and back. What is missing stays NULL or FALSE: the sum has told that nothing is
 * missing that was there. */

static void
parseMembers(JsonObject *object, void *to, const journalMember *strings,
             gsize n_strings, const journalMember *booleans, gsize n_booleans)
{
    for (gsize i = 0; i < n_strings; i++) {
        const char *value =
            json_object_get_string_member_with_default(object, strings[i].name, NULL);

        G_STRUCT_MEMBER(char *, to, strings[i].offset) = g_strdup(value);
    }

    for (gsize i = 0; i < n_booleans; i++)
        G_STRUCT_MEMBER(gboolean, to, booleans[i].offset) =
            json_object_get_boolean_member_with_default(object, booleans[i].name, FALSE);
}

static void
parseID(JsonObject *object, const char *inode, const char *born, virSnapFileID *ret_id)
{
    ret_id->inode = json_object_get_int_member_with_default(object, inode, 0);
    ret_id->born = json_object_get_int_member_with_default(object, born, 0);
}

/* NULL where there is none. */
static JsonArray *
parseArray(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static gboolean
parseDisks(JsonObject *object, qemuSnapshotPlan *plan)
{
    JsonArray *disks = parseArray(object, "disks");
    JsonArray *discards = parseArray(object, "discards");

    if (!disks || !discards)
        return FALSE;

    for (guint i = 0; i < json_array_get_length(disks); i++) {
        JsonObject *from = json_array_get_object_element(disks, i);
        qemuSnapshotPlanDisk *disk = g_new0(qemuSnapshotPlanDisk, 1);

        g_ptr_array_add(plan->disks, disk);
        parseMembers(from, disk, disk_strings, G_N_ELEMENTS(disk_strings),
                     disk_booleans, G_N_ELEMENTS(disk_booleans));
        parseID(from, "inode", "born", &disk->id);
        parseID(from, "old_inode", "old_born", &disk->old_id);
        if (!disk->target || !disk->overlay || !disk->file ||
            (disk->in_place && !disk->kept))
            return FALSE;
    }

    for (guint i = 0; i < json_array_get_length(discards); i++) {
        JsonObject *from = json_array_get_object_element(discards, i);
        qemuSnapshotPlanDiscard *discard = g_new0(qemuSnapshotPlanDiscard, 1);

        g_ptr_array_add(plan->discards, discard);
        parseMembers(from, discard, discard_strings, G_N_ELEMENTS(discard_strings), NULL,
                     0);
        parseID(from, "inode", "born", &discard->id);
        if (!discard->disk || !discard->file)
            return FALSE;
    }

    return TRUE;
}

gboolean
qemuSnapshotJournalParsePlan(const char *text, gsize len, qemuSnapshotPlan *plan,
                             char **ret_boot)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root = json_parser_load_from_data(parser, text, len, NULL) ?
        json_parser_get_root(parser) : NULL;
    JsonObject *object;

    if (!root || !JSON_NODE_HOLDS_OBJECT(root))
        return FALSE;

    object = json_node_get_object(root);
    parseMembers(object, plan, plan_strings, G_N_ELEMENTS(plan_strings),
                 plan_booleans, G_N_ELEMENTS(plan_booleans));
    plan->start = json_object_get_int_member_with_default(object, "start", 0);
    *ret_boot = g_strdup(json_object_get_string_member_with_default(object, "boot", ""));
    return plan->id && plan->domain && plan->snapshot && plan->old_xml &&
        plan->new_xml && plan->snapshot_xml &&
        (plan->start != QEMU_SNAPSHOT_START_RESTORE ||
         (plan->memory_file && plan->restore_xml)) && parseDisks(object, plan);
}
