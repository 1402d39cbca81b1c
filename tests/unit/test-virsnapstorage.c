/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * test-virsnapstorage.c: storage that does not answer, in children
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virsnaperror.h"
#include "virsnapstorage.h"

/* short, as each test that hangs waits for it; long enough for a child to be made */
#define TIMEOUT 1

static pid_t own_pid;

/* What is asked for is a word: "echo", "fail", "die", or "hang PATH", where PATH is a
 * FIFO that nobody writes to yet. */
static GVariant *
testRun(GVariant *args, const virSnapDescriptors *in, virSnapDescriptors *out,
        GError **error)
{
    const char *word = g_variant_get_string(args, NULL);

    g_assert_cmpint(getpid(), !=, own_pid);
    if (g_str_equal(word, "fail")) {
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN, "as told: %s", "\xff");
        return NULL;
    }
    if (g_str_equal(word, "die"))
        raise(SIGKILL);
    if (g_str_has_prefix(word, "hang "))
        close(open(word + 5, O_RDONLY));
    if (g_str_has_prefix(word, "tell ")) {
        virSnapChildTellIsAt(word + 5);
        close(open(word + 5, O_RDONLY));
    }
    if (g_str_equal(word, "dup"))
        out->fds[out->n++] = dup(in->fds[0]);
    if (g_str_equal(word, "descriptors")) {
        guint n = 0;

        for (int fd = 0; fd < 1024; fd++)
            n += fcntl(fd, F_GETFD) >= 0;
        return g_variant_new_take_string(g_strdup_printf("%u", n));
    }

    return g_variant_new_string(word);
}

static const virSnapChildOp test_op = { "test", testRun };

typedef struct _testFixture testFixture;
struct _testFixture {
    char *folder;
    char *fifo;
    char *hang;       /* what to ask for */
    char *elsewhere;  /* on another mount */
};

static void
setUp(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    /* not on the mount of the build: others use that */
    f->folder = g_strdup("/dev/shm/test-virsnapstorage.XXXXXX");
    g_assert_nonnull(g_mkdtemp(f->folder));
    f->fifo = g_build_filename(f->folder, "fifo", NULL);
    f->hang = g_strconcat("hang ", f->fifo, NULL);
    f->elsewhere = g_strdup("/proc/version");
    g_assert_cmpint(mkfifo(f->fifo, 0600), ==, 0);
}

static char *
ask(const char *path, const char *word, GError **error)
{
    g_autoptr(GVariant) answer =
        virSnapStorageRead(&test_op, path, g_variant_new_string(word), NULL, NULL, error);

    return answer ? g_variant_dup_string(answer, NULL) : NULL;
}

static void
assertEcho(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = ask(path, "echo", &error);

    g_assert_no_error(error);
    g_assert_cmpstr(answer, ==, "echo");
}

static void
assertSilent(const char *path, const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = NULL;

    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
                          "storage at '/dev/shm' does not answer");
    answer = ask(path, word, &error);
    g_test_assert_expected_messages();
    g_assert_null(answer);
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    g_assert_cmpstr(error->message, ==, "storage at '/dev/shm' does not answer");
}

/* Lets all that hang go on, and waits until the storage is known to answer. */
static void
release(const testFixture *f, const char *path)
{
    for (;;) {
        g_autofree char *answer = NULL;
        int fd = open(f->fifo, O_WRONLY | O_NONBLOCK);

        if (fd >= 0)
            close(fd);
        if ((answer = ask(path, "echo", NULL)))
            return;
        g_usleep(1000);
    }
}

static void
tearDown(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    release(f, f->fifo);
    unlink(f->fifo);
    g_assert_cmpint(rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->fifo);
    g_free(f->hang);
    g_free(f->elsewhere);
}

static void
testAnswers(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    assertEcho(f->fifo);
    g_assert_null(ask(f->fifo, "fail", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_NO_DOMAIN);
    g_assert_true(g_str_has_prefix(error->message, "as told: "));
    assertEcho(f->fifo);
}

/* Standard input and output, the socket. */
static void
testDescriptorsOfChild(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fds[2];
    g_autofree char *n = NULL;

    g_assert_cmpint(pipe(fds), ==, 0);
    n = ask(f->fifo, "descriptors", NULL);
    g_assert_cmpstr(n, ==, "4");
    close(fds[0]);
    close(fds[1]);
}

static void
testDescriptors(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    int fd = open(f->folder, O_PATH | O_CLOEXEC);
    const virSnapDescriptors in = { .fds = { fd }, .n = 1 };
    virSnapDescriptors out = { .n = 0 };
    g_autoptr(GVariant) answer = NULL;
    struct stat ours, theirs;

    answer = virSnapStorageRead(&test_op, f->folder, g_variant_new_string("dup"), &in,
                                &out, NULL);
    g_assert_nonnull(answer);
    g_assert_cmpuint(out.n, ==, 1);
    g_assert_cmpint(fstat(fd, &ours), ==, 0);
    g_assert_cmpint(fstat(out.fds[0], &theirs), ==, 0);
    g_assert_cmpuint(ours.st_ino, ==, theirs.st_ino);
    g_assert_cmpint(fcntl(out.fds[0], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
    virSnapDescriptorsClose(&out);
    close(fd);
}

static void
testDies(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(ask(f->fifo, "die", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_INTERNAL_ERROR);
    assertEcho(f->fifo);
}

/* The first waits for its time, those after it don't: none of them has a child. */
static void
testHangs(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *beside = g_build_filename(f->folder, "other", NULL);
    gint64 begin;

    assertSilent(f->fifo, f->hang);
    begin = g_get_monotonic_time();
    for (guint i = 0; i < 1000; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(ask(beside, f->hang, &error));
        g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    }
    /* a thousand seconds, otherwise */
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 500 * G_USEC_PER_SEC);
    assertEcho(f->elsewhere);

    release(f, beside);
    assertEcho(beside);
}

static void
testHangsBehindLink(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *folder = g_dir_make_tmp("test-virsnapstorage.XXXXXX", NULL);
    g_autofree char *link = g_build_filename(folder, "link", NULL);
    g_autofree char *path = g_build_filename(link, "fifo", NULL);
    g_autofree char *word = g_strconcat("hang ", path, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(symlink(f->folder, link), ==, 0);
    assertSilent(path, word);
    g_assert_null(ask(path, "echo", &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    assertEcho(folder);
    release(f, path);
    unlink(link);
    rmdir(folder);
}

/* Where an image leads, and not where it is itself. */
static void
testHangsElsewhere(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *word = g_strconcat("tell ", f->fifo, NULL);
    g_autoptr(GError) error = NULL;

    assertSilent(f->elsewhere, word);
    assertEcho(f->elsewhere);

    /* once more, from an image elsewhere: neither waited for nor logged */
    g_assert_null(ask(f->elsewhere, word, &error));
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
}

static gboolean
isLocked(const char *file)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);
    gboolean locked = flock(fd, LOCK_EX | LOCK_NB) < 0;

    close(fd);
    return locked;
}

/* The lock outlives who took it, until the change can come no more. */
static void
testHold(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *folder = g_dir_make_tmp("test-virsnapstorage.XXXXXX", NULL);
    g_autofree char *file = g_build_filename(folder, "journal", NULL);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    virSnapStorageHold hold = { .fd = fd };
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);
    answer = virSnapStorageChange(&hold, &test_op, f->fifo, g_variant_new_string("echo"),
                                  NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(hold.pending);

    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "storage at *");
    g_assert_null(virSnapStorageChange(&hold, &test_op, f->fifo,
                                       g_variant_new_string(f->hang), NULL, NULL,
                                       &error));
    g_test_assert_expected_messages();
    g_assert_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT);
    g_assert_true(hold.pending);

    close(fd);
    g_assert_true(isLocked(file));
    release(f, f->fifo);
    g_assert_false(isLocked(file));
    unlink(file);
    rmdir(folder);
}

/* Many */

#define MANY 2000

typedef struct _manyTaken manyTaken;
struct _manyTaken {
    guint calls[MANY];
    guint answers[MANY];   /* 0 for an error */
    int codes[MANY];
};

static void
manyTake(gsize number, GVariant *result, const GError *error, void *opaque)
{
    manyTaken *taken = opaque;

    g_assert_true(!result == !!error);
    taken->calls[number]++;
    taken->answers[number] = result != NULL;
    taken->codes[number] = error ? error->code : 0;
}

static manyTaken *
askMany(const testFixture *f, const char *const *words)
{
    g_autofree virSnapStorageItem *items = g_new0(virSnapStorageItem, MANY);
    manyTaken *taken = g_new0(manyTaken, 1);

    for (guint i = 0; i < MANY; i++) {
        items[i].path = i % 2 ? f->elsewhere : f->fifo;
        items[i].args = g_variant_ref_sink(g_variant_new_string(words[i] ? words[i] :
                                                                "echo"));
    }
    virSnapStorageReadMany(&test_op, items, MANY, manyTake, taken);
    for (guint i = 0; i < MANY; i++) {
        g_variant_unref(items[i].args);
        g_assert_cmpuint(taken->calls[i], ==, 1);
    }
    return taken;
}

static void
testMany(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree const char **words = g_new0(const char *, MANY);
    g_autofree manyTaken *taken = NULL;

    words[3] = "fail";
    words[9] = "die";
    words[MANY - 1] = "die";
    taken = askMany(f, words);
    for (guint i = 0; i < MANY; i++)
        g_assert_cmpuint(taken->answers[i], ==, words[i] ? 0 : 1);
    g_assert_cmpint(taken->codes[3], ==, VIR_ERR_NO_DOMAIN);
    g_assert_cmpint(taken->codes[9], ==, VIR_ERR_INTERNAL_ERROR);
}

static void
testManyHang(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree const char **words = g_new0(const char *, MANY);
    g_autofree manyTaken *taken = NULL;

    words[10] = f->hang;
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
                          "storage at '/dev/shm' does not answer");
    taken = askMany(f, words);
    g_test_assert_expected_messages();
    for (guint i = 0; i < MANY; i++) {
        gboolean silent = i >= 10 && i % 2 == 0;

        g_assert_cmpuint(taken->answers[i], ==, !silent);
        g_assert_cmpint(taken->codes[i], ==, silent ? VIR_ERR_OPERATION_TIMEOUT : 0);
    }
}

static void
testCost(testFixture *f, const void *opaque G_GNUC_UNUSED)
{
    g_autofree const char **words = g_new0(const char *, MANY);
    gint64 begin = g_get_monotonic_time();

    for (guint i = 0; i < MANY; i++)
        assertEcho(f->fifo);
    g_test_message("one: %.1f us", (g_get_monotonic_time() - begin) / (double)MANY);
    begin = g_get_monotonic_time();
    g_free(askMany(f, words));
    g_test_message("one of many: %.1f us",
                   (g_get_monotonic_time() - begin) / (double)MANY);
}

static guint
countChildren(void)
{
    g_autofree char *text = NULL;
    g_autofree char *file = g_strdup_printf("/proc/%d/task/%d/children", own_pid, own_pid);
    g_auto(GStrv) pids = NULL;

    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    pids = g_strsplit(g_strchomp(text), " ", -1);
    return g_strv_length(pids);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const struct {
        const char *name;
        void (*func)(testFixture *f, const void *opaque);
    } tests[] = {
        { "answers", testAnswers },
        { "descriptors-of-child", testDescriptorsOfChild },
        { "descriptors", testDescriptors },
        { "dies", testDies },
        { "hangs", testHangs },
        { "hangs-behind-link", testHangsBehindLink },
        { "hangs-elsewhere", testHangsElsewhere },
        { "hold", testHold },
        { "many", testMany },
        { "many-hang", testManyHang },
        { "cost", testCost },
    };

    g_test_init(&argc, &argv, NULL);
    own_pid = getpid();
    if (!virSnapStorageInit(TIMEOUT, &error))
        g_error("%s", error->message);
    g_assert_cmpuint(countChildren(), ==, 1);

    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/storage/", tests[i].name, NULL);

        g_test_add(path, testFixture, NULL, setUp, tests[i].func, tearDown);
    }
    return g_test_run();
}
