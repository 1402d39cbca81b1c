/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-qemu_holders_ask.c: nobody, somebody, or it can't be told
 */

#include "config.h"

#include <string.h>

#include "qemu_holders.h"

#define OWN "11111111-1111-1111-1111-111111111111"
#define OTHER "22222222-2222-2222-2222-222222222222"

/* A small world, written as text:
 *   "a<b" b stands on a; "a=x" a has its data in x; "a?" what is below a can't be told
 *   "R:o:b" OWN runs on b; D defined, S saved, E external snapshot, I internal snapshot,
 *   N one that left the disk out; "o" own or "x" other; "!" at the end: complete;
 *   "L:x" a disk of OTHER that can't be found, "L:x:raw", "L:x:raw:/dev/sdb"
 *   "P:a" a program has it open; "F:b" an image of the folder */
static qemuHoldersImage *
image(qemuHolders *holders, char letter)
{
    char key[] = { letter, '\0' };
    g_autofree char *path = g_strdup_printf("/images/%c", letter);

    return qemuHoldersNeedImage(holders, key, path);
}

static void
addLost(qemuHolder *holder, const char *const *words)
{
    holder->uuid = g_strdup(OTHER);
    holder->domain = g_strdup("other");
    holder->disk = g_strdup("vda");
    holder->lost = g_strdup("the pool is not active");
    if (!words[2])
        return;
    holder->raw = g_str_equal(words[2], "raw");
    if (words[3]) {
        holder->sources = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(holder->sources, g_strdup(words[3]));
    }
}

static void
addHolder(qemuHolders *holders, const char *word)
{
    static const struct {
        char letter;
        qemuHolderKind kind;
        virDomainSnapshotLocation location;
    } kinds[] = {
        { 'R', QEMU_HOLDER_RUNNING, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'D', QEMU_HOLDER_DEFINED, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'S', QEMU_HOLDER_SAVED, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'E', QEMU_HOLDER_SNAPSHOT, VIR_DOMAIN_SNAPSHOT_LOCATION_EXTERNAL },
        { 'I', QEMU_HOLDER_SNAPSHOT, VIR_DOMAIN_SNAPSHOT_LOCATION_INTERNAL },
        { 'N', QEMU_HOLDER_SNAPSHOT, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'L', QEMU_HOLDER_DEFINED, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'P', QEMU_HOLDER_PROGRAM, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
        { 'F', QEMU_HOLDER_IMAGE, VIR_DOMAIN_SNAPSHOT_LOCATION_NONE },
    };
    g_auto(GStrv) words = g_strsplit(word, ":", -1);
    qemuHolder *holder = NULL;
    const char *last;

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].letter != *word)
            continue;
        holder = qemuHoldersAdd(holders, kinds[i].kind);
        holder->location = kinds[i].location;
    }
    g_assert_nonnull(holder);

    if (*word == 'L') {
        addLost(holder, (const char *const *)words);
        return;
    }

    last = words[g_strv_length(words) - 1];
    for (; *last && *last != '!'; last++)
        g_ptr_array_add(holder->images, image(holders, *last));
    holder->complete = *last == '!';
    if (*word == 'P' || *word == 'F')
        return;
    holder->uuid = g_strdup(*words[1] == 'o' ? OWN : OTHER);
    holder->domain = g_strdup(*words[1] == 'o' ? "own" : "other");
    holder->disk = g_strdup("vda");
    if (holder->kind == QEMU_HOLDER_SNAPSHOT)
        holder->snapshot = g_strdup(*words[1] == 'o' ? "s" : "t");
}

static qemuHolders *
world(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    qemuHolders *holders = qemuHoldersNew();

    for (gsize i = 0; words[i]; i++) {
        const char *word = words[i];

        if (word[1] == '<')
            qemuHoldersImageAddBelow(image(holders, word[2]), image(holders, word[0]), TRUE);
        else if (word[1] == '=')
            qemuHoldersImageAddBelow(image(holders, word[0]), image(holders, word[2]),
                                     FALSE);
        else if (word[1] == '?')
            qemuHoldersImageSetUnread(image(holders, word[0]), "it is damaged");
        else
            addHolder(holders, word);
    }

    for (char letter = 'a'; letter <= 'e'; letter++) {
        g_autofree char *path = g_strdup_printf("/images/%c", letter);

        qemuHoldersAllow(holders, path, image(holders, letter));
        qemuHoldersSetStorage(holders, path, "/dev/sda1", FALSE);
    }
    return holders;
}

static gboolean
ignoreOwn(const qemuHolder *holder, qemuHolderPlace place G_GNUC_UNUSED,
          const void *opaque G_GNUC_UNUSED)
{
    return g_strcmp0(holder->uuid, OWN) == 0 && holder->kind != QEMU_HOLDER_SNAPSHOT;
}

typedef struct _row row;
struct _row {
    const char *name;
    const char *world;
    qemuHoldersPurpose purpose;
    gboolean ignore_own;
    qemuHoldersVerdict verdict;   /* of image a */
    const char *who;              /* contains */
};

static const row rows[] = {
    { "nobody", "a<b", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_NOBODY, NULL },
    { "top", "D:x:a", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY, "domain 'other'" },
    { "below", "a<b b<c R:x:c", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "domain 'other'" },
    { "above", "b<a R:x:b", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_NOBODY, NULL },
    { "data", "b=a R:x:b", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY, "'other'" },
    { "saved", "S:x:a", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY, "'other'" },
    { "own-snapshot", "a<b E:o:b", QEMU_HOLDERS_DELETE, TRUE, QEMU_HOLDERS_SOMEBODY,
      "snapshot 's'" },
    { "others-snapshot", "E:x:a", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "snapshot 't' of domain 'other'" },
    { "all-are-named", "a<b E:o:a R:x:b", QEMU_HOLDERS_DELETE, FALSE,
      QEMU_HOLDERS_SOMEBODY, "snapshot 's', domain 'other'" },
    { "named-once", "a<b R:x:b D:x:b", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "domain 'other'" },
    { "own-is-ignored", "R:o:a D:o:a S:o:a", QEMU_HOLDERS_JUST_LEFT, TRUE,
      QEMU_HOLDERS_NOBODY, NULL },
    { "program", "P:a", QEMU_HOLDERS_JUST_LEFT, TRUE, QEMU_HOLDERS_SOMEBODY, "program" },

    { "unread", "b? D:x:b", QEMU_HOLDERS_JUST_LEFT, FALSE, QEMU_HOLDERS_UNKNOWN,
      "disk 'vda' of domain 'other'" },
    { "unread-below", "c? c<b D:x:b", QEMU_HOLDERS_TAKE, FALSE, QEMU_HOLDERS_UNKNOWN,
      "damaged" },
    { "unread-but-complete", "b? D:x:bc!", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_NOBODY,
      NULL },
    { "complete-names-it", "b? D:x:ba!", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "domain 'other'" },
    { "unread-of-nobody", "b? D:x:c", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_NOBODY,
      NULL },
    { "unread-of-the-ignored", "b? D:o:b", QEMU_HOLDERS_JUST_LEFT, TRUE,
      QEMU_HOLDERS_NOBODY, NULL },
    { "somebody-goes-before-unread", "b? D:x:b E:o:a", QEMU_HOLDERS_DELETE, FALSE,
      QEMU_HOLDERS_SOMEBODY, "snapshot 's'" },

    { "lost", "L:x", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_UNKNOWN, "not active" },
    { "lost-takes", "L:x", QEMU_HOLDERS_TAKE, FALSE, QEMU_HOLDERS_UNKNOWN, "not active" },
    { "lost-just-left", "L:x", QEMU_HOLDERS_JUST_LEFT, FALSE, QEMU_HOLDERS_NOBODY, NULL },
    { "lost-raw", "L:x:raw", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_UNKNOWN,
      "not active" },
    { "lost-raw-elsewhere", "L:x:raw:/dev/sdb", QEMU_HOLDERS_DELETE, FALSE,
      QEMU_HOLDERS_NOBODY, NULL },
    { "lost-raw-here", "L:x:raw:/dev/sda", QEMU_HOLDERS_DELETE, FALSE,
      QEMU_HOLDERS_UNKNOWN, "not active" },
    { "lost-qcow2-elsewhere", "L:x:qcow2:/dev/sdb", QEMU_HOLDERS_DELETE, FALSE,
      QEMU_HOLDERS_UNKNOWN, "not active" },

    { "image", "F:ba", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "image '/images/b'" },
    { "image-itself", "F:ab", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_NOBODY, NULL },
    { "image-of-somebody", "F:ba a<b R:o:b", QEMU_HOLDERS_JUST_LEFT, TRUE,
      QEMU_HOLDERS_NOBODY, NULL },
    { "image-further-down", "a<c F:bc", QEMU_HOLDERS_JUST_LEFT, TRUE,
      QEMU_HOLDERS_SOMEBODY, "image '/images/b'" },
    { "loop", "a<b b<a R:x:b", QEMU_HOLDERS_DELETE, FALSE, QEMU_HOLDERS_SOMEBODY,
      "'other'" },
};

static void
testRow(const void *opaque)
{
    const row *r = opaque;
    g_autoptr(qemuHolders) holders = world(r->world);
    qemuHoldersQuestion question = {
        .path = "/images/a", .purpose = r->purpose, .uuid = OWN,
        .ignore = r->ignore_own ? ignoreOwn : NULL,
    };
    g_autofree char *who = NULL;
    const qemuHolder *holder;

    g_assert_cmpint(qemuHoldersAsk(holders, &question, &who, &holder), ==, r->verdict);
    if (r->who)
        g_assert_nonnull(strstr(who, r->who));
    else
        g_assert_null(who);
    if (r->verdict == QEMU_HOLDERS_SOMEBODY)
        g_assert_nonnull(holder);
    else
        g_assert_null(holder);
    if (g_str_equal(r->name, "named-once"))
        g_assert_cmpstr(who, ==, r->who);
}

/* What was not looked for can't be answered. */
static void
testNotLookedFor(void)
{
    g_autoptr(qemuHolders) holders = world("a<b");
    qemuHoldersQuestion question = { .path = "/images/z", .purpose = QEMU_HOLDERS_DELETE };
    g_autofree char *who = NULL;

    g_assert_cmpint(qemuHoldersAsk(holders, &question, &who, NULL), ==,
                    QEMU_HOLDERS_UNKNOWN);
    g_assert_nonnull(strstr(who, "'/images/z'"));
}

static qemuHoldersVerdict
ask(const qemuHolders *holders, qemuHoldersPurpose purpose)
{
    qemuHoldersQuestion question = { .path = "/images/a", .purpose = purpose };
    g_autofree char *who = NULL;

    return qemuHoldersAsk(holders, &question, &who, NULL);
}

static void
testDoubts(void)
{
    g_autoptr(qemuHolders) shared = world("a<b");
    g_autoptr(qemuHolders) content = world("a<b");
    g_autoptr(qemuHolders) doubt = world("a<b");

    qemuHoldersSetStorage(shared, "/images/a", "server:/export", TRUE);
    g_assert_cmpint(ask(shared, QEMU_HOLDERS_DELETE), ==, QEMU_HOLDERS_UNKNOWN);
    g_assert_cmpint(ask(shared, QEMU_HOLDERS_JUST_LEFT), ==, QEMU_HOLDERS_NOBODY);
    g_assert_cmpint(ask(shared, QEMU_HOLDERS_TAKE), ==, QEMU_HOLDERS_NOBODY);

    qemuHoldersSetContent(content, "/images/a", "it has internal snapshots");
    g_assert_cmpint(ask(content, QEMU_HOLDERS_DELETE), ==, QEMU_HOLDERS_UNKNOWN);
    g_assert_cmpint(ask(content, QEMU_HOLDERS_JUST_LEFT), ==, QEMU_HOLDERS_UNKNOWN);
    g_assert_cmpint(ask(content, QEMU_HOLDERS_TAKE), ==, QEMU_HOLDERS_NOBODY);

    qemuHoldersSetDoubt(doubt, "/images/a", "its locks can't be read");
    g_assert_cmpint(ask(doubt, QEMU_HOLDERS_JUST_LEFT), ==, QEMU_HOLDERS_UNKNOWN);
    g_assert_cmpint(ask(doubt, QEMU_HOLDERS_TAKE), ==, QEMU_HOLDERS_UNKNOWN);
}

/* Random worlds, against a model that is as simple as can be */

#define IMAGES 7
#define HOLDERS 5

typedef struct _model model;
struct _model {
    gboolean on[IMAGES][IMAGES];   /* the first stands on the second, by its header */
    gboolean unread[IMAGES];
    struct {
        qemuHolderKind kind;
        gboolean own, complete, lost;
        guint n;
        guint images[2];
    } holders[HOLDERS];
};

static void
modelMake(model *m)
{
    memset(m, 0, sizeof(*m));
    for (guint i = 0; i < IMAGES; i++) {
        for (guint j = 0; j < IMAGES; j++)
            m->on[i][j] = i != j && g_test_rand_int_range(0, 5) == 0;
        m->unread[i] = g_test_rand_int_range(0, 8) == 0;
    }
    for (guint i = 0; i < HOLDERS; i++) {
        m->holders[i].kind = g_test_rand_int_range(0, QEMU_HOLDER_PROGRAM + 1);
        m->holders[i].own = g_test_rand_int_range(0, 2);
        m->holders[i].complete = g_test_rand_int_range(0, 4) == 0;
        m->holders[i].lost = m->holders[i].kind < QEMU_HOLDER_IMAGE &&
            g_test_rand_int_range(0, 10) == 0;
        m->holders[i].n = m->holders[i].lost ? 0 :
            m->holders[i].kind == QEMU_HOLDER_PROGRAM ? 1 : g_test_rand_int_range(1, 3);
        for (guint j = 0; j < m->holders[i].n; j++)
            m->holders[i].images[j] = g_test_rand_int_range(0, IMAGES);
    }
}

static qemuHolders *
modelBuild(const model *m)
{
    qemuHolders *holders = qemuHoldersNew();

    for (guint i = 0; i < IMAGES; i++) {
        g_autofree char *path = g_strdup_printf("/images/%c", 'a' + i);

        for (guint j = 0; j < IMAGES; j++) {
            if (m->on[i][j])
                qemuHoldersImageAddBelow(image(holders, 'a' + i), image(holders, 'a' + j),
                                         TRUE);
        }
        if (m->unread[i])
            qemuHoldersImageSetUnread(image(holders, 'a' + i), "unread");
        qemuHoldersAllow(holders, path, image(holders, 'a' + i));
    }

    for (guint i = 0; i < HOLDERS; i++) {
        qemuHolder *holder = qemuHoldersAdd(holders, m->holders[i].kind);

        if (m->holders[i].kind < QEMU_HOLDER_IMAGE) {
            holder->uuid = g_strdup(m->holders[i].own ? OWN : OTHER);
            holder->domain = g_strdup("domain");
            holder->snapshot = g_strdup("snapshot");
        }
        holder->complete = m->holders[i].complete;
        if (m->holders[i].lost)
            holder->lost = g_strdup("lost");
        for (guint j = 0; j < m->holders[i].n; j++)
            g_ptr_array_add(holder->images, image(holders, 'a' + m->holders[i].images[j]));
    }

    return holders;
}

/* Whether b is reached from a, by trying all ways of every length. */
static gboolean
modelReaches(const model *m, guint a, guint b)
{
    gboolean at[IMAGES] = { FALSE };

    at[a] = TRUE;
    for (guint step = 0; step < IMAGES; step++) {
        for (guint i = 0; i < IMAGES; i++) {
            for (guint j = 0; j < IMAGES; j++) {
                if (at[i] && m->on[i][j])
                    at[j] = TRUE;
            }
        }
    }

    return at[b];
}

static gboolean
modelHolds(const model *m, guint holder, guint wanted)
{
    for (guint i = 0; i < m->holders[holder].n; i++) {
        if (modelReaches(m, m->holders[holder].images[i], wanted))
            return TRUE;
    }

    return FALSE;
}

static gboolean
modelIsClaimed(const model *m, guint holder)
{
    for (guint i = 0; i < HOLDERS; i++) {
        if (m->holders[i].kind < QEMU_HOLDER_IMAGE &&
            modelHolds(m, i, m->holders[holder].images[0]))
            return TRUE;
    }

    return FALSE;
}

static gboolean
modelIsDoubtful(const model *m, guint holder)
{
    for (guint i = 0; i < IMAGES; i++) {
        if (m->unread[i] && modelHolds(m, holder, i))
            return TRUE;
    }

    return FALSE;
}

static qemuHoldersVerdict
modelAsk(const model *m, guint wanted, qemuHoldersPurpose purpose)
{
    qemuHoldersVerdict verdict = QEMU_HOLDERS_NOBODY;

    for (guint i = 0; i < HOLDERS; i++) {
        gboolean own = m->holders[i].own && m->holders[i].kind < QEMU_HOLDER_SNAPSHOT;

        if (own || (m->holders[i].kind == QEMU_HOLDER_IMAGE && modelIsClaimed(m, i)))
            continue;
        if (m->holders[i].lost) {
            if (purpose != QEMU_HOLDERS_JUST_LEFT && verdict == QEMU_HOLDERS_NOBODY)
                verdict = QEMU_HOLDERS_UNKNOWN;
            continue;
        }
        if (m->holders[i].kind == QEMU_HOLDER_IMAGE && m->holders[i].images[0] == wanted)
            continue;
        if (modelHolds(m, i, wanted))
            return QEMU_HOLDERS_SOMEBODY;
        if (!m->holders[i].complete && modelIsDoubtful(m, i))
            verdict = QEMU_HOLDERS_UNKNOWN;
    }

    return verdict;
}

static void
testRandom(void)
{
    static guint counts[QEMU_HOLDERS_UNKNOWN + 1];

    for (guint round = 0; round < 100000; round++) {
        guint wanted = g_test_rand_int_range(0, IMAGES);
        qemuHoldersPurpose purpose = g_test_rand_int_range(0, QEMU_HOLDERS_DELETE + 1);
        g_autofree char *path = g_strdup_printf("/images/%c", 'a' + wanted);
        g_autoptr(qemuHolders) holders = NULL;
        g_autofree char *who = NULL;
        qemuHoldersVerdict verdict;
        model m;
        qemuHoldersQuestion question = {
            .path = path, .purpose = purpose, .uuid = OWN, .ignore = ignoreOwn,
        };

        modelMake(&m);
        holders = modelBuild(&m);
        verdict = qemuHoldersAsk(holders, &question, &who, NULL);
        g_assert_cmpint(verdict, ==, modelAsk(&m, wanted, purpose));
        g_assert_true((who == NULL) == (verdict == QEMU_HOLDERS_NOBODY));
        counts[verdict]++;
    }

    /* else it would show nothing */
    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        g_assert_cmpuint(counts[i], >, 1000);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = g_strconcat("/qemu_holders_ask/", rows[i].name, NULL);

        g_test_add_data_func(name, &rows[i], testRow);
    }
    g_test_add_func("/qemu_holders_ask/not-looked-for", testNotLookedFor);
    g_test_add_func("/qemu_holders_ask/doubts", testDoubts);
    g_test_add_func("/qemu_holders_ask/random", testRandom);
    return g_test_run();
}
