/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_snapshot_veto_judge.c: what a deletion by libvirt would do to others
 */

#include "config.h"

#include <string.h>

#include "domain_conf.h"
#include "qemu_snapshot_veto_judge.h"
#include "virsnaperror.h"
#include "virsnapxml.h"

#define OWN "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

#define DISK(file) \
    "<domain><name>vm</name><devices><disk type='file' device='disk'>" \
    "<driver type='qcow2'/><source file='/i/" file "'/><target dev='vda'/></disk>" \
    "</devices></domain>"
#define SNAPSHOT(name, parent, overlay, state) \
    "<domainsnapshot><name>" name "</name><state>disk-snapshot</state>" parent \
    "<disks><disk name='vda' snapshot='external' type='file'>" \
    "<source file='/i/" overlay "'/></disk></disks>" DISK(state) "</domainsnapshot>"
#define PARENT(name) "<parent><name>" name "</name></parent>"

/* which libvirt it is */
enum { OLD = 0, ABOVE = 1, REMOVES = 2 };

typedef struct _row row;
struct _row {
    const char *name;
    const char *deleted;     /* snapshot */
    int libvirt;
    const char *now;         /* image of the domain */
    const char *world;       /* "a<b": b stands on a; "R:b" the domain runs on b, "O:b"
                              * another does, "F:ba" an image of the folder, "s3:b" a
                              * snapshot of the domain whose state is b */
    const char *refused;     /* contains; NULL: it is not */
};

/* In all of them: snap1 of state a with overlay b, and its child snap2, of state b with
 * overlay c. */
static const row rows[] = {
    { "line", "snap1", OLD, "c", "a<b b<c R:c", NULL },
    { "leaf", "snap2", OLD, "c", "a<b b<c R:c", NULL },
    { "branch-on-the-base", "snap1", OLD, "c", "a<b b<c a<d R:c snap3:d",
      "'/i/b' would be merged into the one below it, which is needed as it is by "
      "snapshot 'snap3'" },
    { "branch-on-the-overlay", "snap1", OLD, "c", "a<b b<c b<d R:c snap3:d",
      "'/i/b' would be removed, which is needed by snapshot 'snap3'" },
    { "state-of-another", "snap1", OLD, "c", "a<b b<c R:c O:b",
      "'/i/b' would be removed, which is needed by domain 'other'" },
    { "another-on-the-base", "snap1", OLD, "c", "a<b b<c R:c O:a",
      "needed as it is by domain 'other'" },
    { "image-on-the-base", "snap1", OLD, "c", "a<b b<c a<d R:c F:da",
      "needed as it is by image '/i/d'" },
    { "not-in-the-chain", "snap2", OLD, "d", "a<b b<c b<d R:d",
      "its overlay '/i/c' is not among the images that domain 'vm' is on" },
    { "unread", "snap1", OLD, "c", "a<b b<c R:c d? O:d", "can't be told" },

    /* the overlay that is recorded is not the one that is merged */
    { "above-the-state", "snap1", ABOVE, "d", "a<b b<c b<d R:d", NULL },
    { "above-the-state-of-another", "snap2", ABOVE, "d", "a<b b<c b<d R:d O:d",
      "'/i/d' would be removed, which is needed by domain 'other'" },
    { "above-the-state-and-branch", "snap1", ABOVE, "d", "a<b b<c a<d R:d",
      "'/i/d' would be merged into the one below it, which is needed as it is by "
      "snapshot 'snap2'" },
    { "not-above-the-state", "snap2", ABOVE, "d", "a<b b<c a<d R:d", NULL },

    /* a leaf that is not the current one: its state is removed */
    { "removed-state", "snap2", REMOVES, "d", "a<b b<c a<d R:d", NULL },
    { "removed-state-of-another", "snap2", REMOVES, "d", "a<b b<c a<d R:d O:b",
      "'/i/b' would be removed, which is needed by domain 'other'" },
    { "removed-state-below", "snap2", REMOVES, "d", "a<b b<c b<e a<d R:d snap3:e",
      "'/i/b' would be removed, which is needed by snapshot 'snap3'" },
};

static qemuHoldersImage *
image(qemuHolders *holders, char letter)
{
    char key[] = { letter, '\0' };
    g_autofree char *path = g_strdup_printf("/i/%c", letter);
    qemuHoldersImage *found = qemuHoldersNeedImage(holders, key, path);

    qemuHoldersAllow(holders, path, found);
    return found;
}

static void
addHolder(qemuHolders *holders, const char *word)
{
    const char *images = strchr(word, ':') + 1;
    qemuHolderKind kind = *word == 's' ? QEMU_HOLDER_SNAPSHOT :
        *word == 'F' ? QEMU_HOLDER_IMAGE : QEMU_HOLDER_RUNNING;
    qemuHolder *holder = qemuHoldersAdd(holders, kind);

    if (kind != QEMU_HOLDER_IMAGE) {
        holder->uuid = g_strdup(*word == 'O' ? OTHER : OWN);
        holder->domain = g_strdup(*word == 'O' ? "other" : "vm");
        holder->disk = g_strdup("vda");
    }
    if (kind == QEMU_HOLDER_SNAPSHOT) {
        holder->snapshot = g_strndup(word, images - word - 1);
        holder->location = VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL;
    }
    for (; *images; images++)
        g_ptr_array_add(holder->images, image(holders, *images));
}

static qemuHolders *
world(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    qemuHolders *holders = qemuHoldersNew();

    addHolder(holders, "snap1:a");
    addHolder(holders, "snap2:b");
    for (gsize i = 0; words[i]; i++) {
        const char *word = words[i];

        if (word[1] == '<')
            qemuHoldersImageAddBelow(image(holders, word[2]), image(holders, word[0]), TRUE);
        else if (word[1] == '?')
            qemuHoldersImageSetUnread(image(holders, word[0]), "it is damaged");
        else
            addHolder(holders, word);
    }

    return holders;
}

static void
addInfo(GPtrArray *infos, const char *xml)
{
    g_autoptr(GError) error = NULL;

    g_ptr_array_add(infos, virDomainSnapshotInfoParse(xml, &error));
    g_assert_no_error(error);
}

static void
testRow(const void *opaque)
{
    const row *r = opaque;
    g_autofree char *xml = g_strdup_printf(DISK("%s"), r->now);
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = virSnapXMLParse(xml, "domain", "test", &error);
    g_autoptr(GPtrArray) infos =
        g_ptr_array_new_with_free_func((GDestroyNotify)virDomainSnapshotInfoFree);
    g_autoptr(GPtrArray) disks = virDomainDefGetDisks(doc, &error);
    g_autoptr(GHashTable) deleted = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(qemuHolders) holders = world(r->world);
    qemuSnapshotVetoFacts facts = {
        .uuid = (char *)OWN, .domain = (char *)"vm", .current = (char *)"none",
        .snapshot = r->deleted, .infos = infos, .deleted = deleted, .disks = disks,
        .holders = holders, .removes_states = r->libvirt == REMOVES,
        .merges_above_state = r->libvirt != OLD,
    };
    gboolean may;

    addInfo(infos, SNAPSHOT("snap1", "", "b", "a"));
    addInfo(infos, SNAPSHOT("snap2", PARENT("snap1"), "c", "b"));
    g_hash_table_add(deleted, (char *)r->deleted);

    may = qemuSnapshotVetoJudge(&facts, &error);
    if (!r->refused) {
        g_assert_no_error(error);
        g_assert_true(may);
        return;
    }

    g_assert_false(may);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_INVALID);
    if (!strstr(error->message, r->refused))
        g_error("%s: not in: %s", r->refused, error->message);
    g_assert_nonnull(strstr(error->message, r->deleted));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strconcat("/qemu_snapshot_veto_judge/", rows[i].name, NULL);

        g_test_add_data_func(name, &rows[i], testRow);
    }
    return g_test_run();
}
