/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_journal.c: what a revert is about to do, and how far it is
 *
 * One file for each domain that is being reverted, named after its UUID:
 *
 *   libvirt-snapshot revert journal 1
 *   sha256 of the plan
 *   { the plan, as JSON on a line of its own for each member }
 *   records:
 *   process 1234 567890
 *   stop
 *   start
 *
 * All up to "records:" is written to a temporary file, made durable and renamed, so
 * that it is there whole or not at all; the sum tells later damage. Records are
 * appended, a line each; that of a process has its number and when it was started. A last line without its end is one that was being written
 * when the power failed: what it would have said was not begun. What was written but
 * not made durable may then be there as zeros.
 *
 * Who goes on with the revert has the file locked, and so has each child process that may
 * still carry out a change of it, when nobody waits for that any more: see
 * virsnapstorage.c. Nobody takes the revert up before the last of them has ended.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "qemu_snapshot_driver.h"
#include "qemu_snapshot_journal.h"
#include "qemu_snapshot_journal_plan.h"
#include "virsnaperror.h"
#include "virsnapfault.h"
#include "virsnapfile.h"
#include "virsnapmounts.h"
#include "virsnappaths.h"
#include "virsnapprocess.h"

#define JOURNAL_HEAD "libvirt-snapshot revert journal 1"
#define JOURNAL_RECORDS "records:"
#define JOURNAL_PROCESS "process"
/* one that was killed with virtsnapshotd needs some milliseconds to end */
#define PROCESS_WAIT G_USEC_PER_SEC
#define JOURNAL_SUFFIX ".journal"
/* one that is being written, and means nothing yet */
#define JOURNAL_NEW ".new"
/* a few definitions, each of which libvirt limits to 4 MiB strings on its wire */
#define JOURNAL_MAX (64 * 1024 * 1024)

static const struct {
    const char *name;
    gboolean durable;
} records[QEMU_SNAPSHOT_RECORD_LAST] = {
    [QEMU_SNAPSHOT_RECORD_PERSIST] = { "persist", TRUE },
    [QEMU_SNAPSHOT_RECORD_STOP] = { "stop", TRUE },
    [QEMU_SNAPSHOT_RECORD_ENDED] = { "ended", FALSE },
    /* whether the guest ran is seen from its overlays */
    [QEMU_SNAPSHOT_RECORD_START] = { "start", FALSE },
    [QEMU_SNAPSHOT_RECORD_STARTED] = { "started", FALSE },
    [QEMU_SNAPSHOT_RECORD_RECORDED] = { "recorded", TRUE },
};

struct _qemuSnapshotJournal {
    char *file;
    char *boot;
    virSnapStorageHold hold;   /* its descriptor is that of the file */
    gboolean has[QEMU_SNAPSHOT_RECORD_LAST];
    pid_t pid;                 /* that writes to the overlays; 0: none */
    guint64 started;
};

void
qemuSnapshotJournalFree(qemuSnapshotJournal *journal)
{
    if (!journal)
        return;

    if (journal->hold.fd >= 0)
        close(journal->hold.fd);
    g_free(journal->boot);
    g_free(journal->file);
    g_free(journal);
}

virSnapStorageHold *
qemuSnapshotJournalHold(qemuSnapshotJournal *journal)
{
    return &journal->hold;
}

const char *
qemuSnapshotJournalFile(const qemuSnapshotJournal *journal)
{
    return journal->file;
}

static char *
bootID(void)
{
    char *text = NULL;

    if (!g_file_get_contents(VIR_SNAP_PATH_BOOT_ID, &text, NULL, NULL))
        return g_strdup("");
    return g_strchomp(text);
}

gboolean
qemuSnapshotJournalIsOfThisBoot(const qemuSnapshotJournal *journal)
{
    g_autofree char *boot = bootID();

    return *boot && g_strcmp0(boot, journal->boot) == 0;
}

static char *
journalPath(const char *folder, const unsigned char *uuid)
{
    g_autofree char *text = qemuSnapshotDriverFormatUUID(uuid);
    g_autofree char *name = g_strconcat(text, JOURNAL_SUFFIX, NULL);

    return g_build_filename(folder, name, NULL);
}

/* The file */

static gboolean
writeAll(int fd, const char *text, gsize len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        text += n;
        len -= n;
    }

    return TRUE;
}

static gboolean
journalSetErrno(const char *file, int saved_errno, GError **error)
{
    virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, saved_errno,
                         _("cannot write journal '%s'"), file);
    return FALSE;
}

static gboolean
journalWriteFile(qemuSnapshotJournal *journal, const char *text, GError **error)
{
    g_autofree char *temporary = g_strconcat(journal->file, JOURNAL_NEW, NULL);

    if (!virSnapFault("journal-write", error))
        return FALSE;
    journal->hold.fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW |
                       O_CLOEXEC, 0600);
    if (journal->hold.fd < 0 || flock(journal->hold.fd, LOCK_EX | LOCK_NB) < 0 ||
        !writeAll(journal->hold.fd, text, strlen(text)) ||
        !virSnapFault("journal-rename", NULL) ||
        fsync(journal->hold.fd) < 0 || rename(temporary, journal->file) < 0) {
        int saved_errno = errno;

        unlink(temporary);
        return journalSetErrno(journal->file, saved_errno, error);
    }

    return virSnapFileSyncFolder(journal->file, error) &&
        virSnapFault("journal-written", error);
}

qemuSnapshotJournal *
qemuSnapshotJournalCreate(const char *folder, const qemuSnapshotPlan *plan,
                          GError **error)
{
    g_autoptr(qemuSnapshotJournal) journal = g_new0(qemuSnapshotJournal, 1);
    unsigned char uuid[VIR_UUID_BUFLEN];
    g_autofree char *json = NULL;
    g_autofree char *sum = NULL;
    g_autofree char *text = NULL;

    journal->hold.fd = -1;
    journal->boot = bootID();
    if (virDomainGetUUID(plan->dom, uuid) < 0) {
        virSnapErrorSetLibvirt(error, _("cannot read the UUID of domain '%s'"),
                               plan->domain);
        return NULL;
    }
    journal->file = journalPath(folder, uuid);

    json = qemuSnapshotJournalFormatPlan(plan, journal->boot);
    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, json, -1);
    text = g_strdup_printf("%s\n%s\n%s\n%s\n", JOURNAL_HEAD, sum, json, JOURNAL_RECORDS);

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        journalSetErrno(journal->file, errno, error);
        return NULL;
    }
    if (!journalWriteFile(journal, text, error)) {
        unlink(journal->file);
        return NULL;
    }

    return g_steal_pointer(&journal);
}

gboolean
qemuSnapshotJournalAdd(qemuSnapshotJournal *journal, qemuSnapshotRecord record,
                       GError **error)
{
    g_autofree char *line = g_strdup_printf("%s\n", records[record].name);

    if (!virSnapFault("journal-record", error))
        return FALSE;
    if (!writeAll(journal->hold.fd, line, strlen(line)) ||
        (records[record].durable && fdatasync(journal->hold.fd) < 0))
        return journalSetErrno(journal->file, errno, error);

    journal->has[record] = TRUE;
    return TRUE;
}

gboolean
qemuSnapshotJournalAddProcess(qemuSnapshotJournal *journal, pid_t pid, GError **error)
{
    g_autofree char *line =
        g_strdup_printf(JOURNAL_PROCESS " %d %" G_GUINT64_FORMAT "\n", (int)pid,
                        virSnapProcessGetStart(pid));

    /* it outlives virtsnapshotd at most, and not the host */
    return writeAll(journal->hold.fd, line, strlen(line)) ||
        journalSetErrno(journal->file, errno, error);
}

/* Waits a little for its end. */
static gboolean
journalProcessLives(const qemuSnapshotJournal *journal)
{
    gint64 deadline = g_get_monotonic_time() + PROCESS_WAIT;

    if (!journal->pid || !journal->started || !qemuSnapshotJournalIsOfThisBoot(journal))
        return FALSE;

    while (virSnapProcessGetStart(journal->pid) == journal->started) {
        if (g_get_monotonic_time() >= deadline)
            return TRUE;
        g_usleep(1000);
    }

    return FALSE;
}

gboolean
qemuSnapshotJournalHas(const qemuSnapshotJournal *journal, qemuSnapshotRecord record)
{
    return journal->has[record];
}

gboolean
qemuSnapshotJournalClear(qemuSnapshotJournal *journal, GError **error)
{
    if (!virSnapFault("journal-clear", error))
        return FALSE;
    if (unlink(journal->file) < 0 && errno != ENOENT) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot delete journal '%s'"), journal->file);
        return FALSE;
    }

    return virSnapFileSyncFolder(journal->file, error) &&
        virSnapFault("journal-cleared", error);
}

static gboolean
parseUUID(const char *name, unsigned char *ret_uuid)
{
    gsize n = 0;

    for (const char *c = name; n < VIR_UUID_BUFLEN; n++) {
        if (*c == '-')
            c++;
        if (!g_ascii_isxdigit(c[0]) || !g_ascii_isxdigit(c[1]))
            return FALSE;
        ret_uuid[n] = g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]);
        c += 2;
    }

    return TRUE;
}

GPtrArray *
qemuSnapshotJournalList(const char *folder)
{
    GPtrArray *uuids = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    unsigned char uuid[VIR_UUID_BUFLEN];
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        if ((g_str_has_suffix(name, JOURNAL_SUFFIX) ||
             g_str_has_suffix(name, JOURNAL_SUFFIX JOURNAL_NEW)) &&
            parseUUID(name, uuid))
            g_ptr_array_add(uuids, g_bytes_new(uuid, sizeof(uuid)));
    }

    return uuids;
}

static gboolean
parseProcess(qemuSnapshotJournal *journal, const char *text, const char *line_end)
{
    char *end;

    if (!g_str_has_prefix(text, JOURNAL_PROCESS " "))
        return FALSE;

    journal->pid = g_ascii_strtoull(text + strlen(JOURNAL_PROCESS " "), &end, 10);
    if (*end != ' ')
        return FALSE;
    journal->started = g_ascii_strtoull(end + 1, &end, 10);
    return end == line_end;
}

/* The records behind the plan; FALSE where one is none of ours. */
static gboolean
parseRecords(qemuSnapshotJournal *journal, const char *text)
{
    const char *end;

    for (; (end = strchr(text, '\n')); text = end + 1) {
        gsize i = 0;

        if (parseProcess(journal, text, end))
            continue;
        while (i < QEMU_SNAPSHOT_RECORD_LAST &&
               (strlen(records[i].name) != (gsize)(end - text) ||
                strncmp(records[i].name, text, end - text) != 0))
            i++;
        if (i == QEMU_SNAPSHOT_RECORD_LAST)
            return FALSE;
        journal->has[i] = TRUE;
    }

    return TRUE;
}

static gboolean
journalParse(qemuSnapshotJournal *journal, const char *text, qemuSnapshotPlan *plan)
{
    static const char mark[] = "\n" JOURNAL_RECORDS "\n";
    const char *sum = text + strlen(JOURNAL_HEAD "\n");
    const char *json, *end;
    g_autofree char *found = NULL;

    if (!g_str_has_prefix(text, JOURNAL_HEAD "\n") || !(json = strchr(sum, '\n')) ||
        !(end = strstr(++json, mark)))
        return FALSE;

    found = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)json,
                                        end - json);
    return strlen(found) == (gsize)(json - 1 - sum) &&
        strncmp(found, sum, strlen(found)) == 0 &&
        qemuSnapshotJournalParsePlan(json, end - json, plan, &journal->boot) &&
        parseRecords(journal, end + strlen(mark));
}

/* Whether nothing follows the text but zeros. */
static gboolean
endsInZeros(const char *text, gsize len)
{
    while (len > 0 && !text[len - 1])
        len--;

    return len == strlen(text);
}

static gboolean
journalSetAside(const qemuSnapshotJournal *journal, GError **error)
{
    g_autofree char *aside = g_strdup_printf("%s.damaged", journal->file);

    if (rename(journal->file, aside) < 0)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("journal '%s' is damaged and can't be set aside"),
                             journal->file);
    else
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("the journal of an earlier revert was damaged and is set aside as "
                      "'%s'; nothing was done about that revert: look at the domain's "
                      "disks before you go on"), aside);
    return FALSE;
}

static gboolean
journalCheckFile(const qemuSnapshotJournal *journal, GError **error)
{
    struct stat st;

    if (journal->hold.fd < 0 || fstat(journal->hold.fd, &st) < 0)
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot read journal '%s'"), journal->file);
    else if (!S_ISREG(st.st_mode) || st.st_size > JOURNAL_MAX)
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("journal '%s' is not a regular file of at most %d bytes"),
                    journal->file, JOURNAL_MAX);
    else
        return TRUE;

    return FALSE;
}

/* By their names: which of them it is that does not answer is not known any more. */
static char *
mountsOf(const qemuSnapshotPlan *plan)
{
    g_autoptr(GString) points = g_string_new(NULL);
    g_autoptr(virSnapMounts) mounts = virSnapMountsRead();

    for (guint i = 0; i < plan->disks->len; i++) {
        const qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);
        const virSnapMount *mount = virSnapMountsFind(mounts, disk->overlay);
        g_autofree char *quoted = mount ? g_strdup_printf("'%s'", mount->point) : NULL;

        if (!quoted)
            continue;
        if (!strstr(points->str, quoted))
            g_string_append_printf(points, "%s%s", points->len ? ", " : "", quoted);
    }

    return g_strdup(points->str);
}

gboolean
qemuSnapshotJournalSetWaits(const qemuSnapshotPlan *plan, GError **error)
{
    g_autofree char *points = mountsOf(plan);

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                _("domain '%s' waits for storage at %s, where a change that its revert to "
                  "snapshot '%s' has begun may still be made"), plan->domain, points,
                plan->snapshot);
    return FALSE;
}

gboolean
qemuSnapshotJournalRead(const char *folder, const unsigned char *uuid,
                        qemuSnapshotJournal **ret_journal, qemuSnapshotPlan **ret_plan,
                        GError **error)
{
    g_autoptr(qemuSnapshotJournal) journal = g_new0(qemuSnapshotJournal, 1);
    g_autoptr(qemuSnapshotPlan) plan = qemuSnapshotPlanNewEmpty();
    g_autofree char *text = NULL;
    g_autofree char *temporary = NULL;
    gboolean locked;
    gsize len;

    *ret_journal = NULL;
    *ret_plan = NULL;
    journal->file = journalPath(folder, uuid);
    temporary = g_strconcat(journal->file, JOURNAL_NEW, NULL);
    unlink(temporary);
    journal->hold.fd = open(journal->file, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    if (journal->hold.fd < 0 && errno == ENOENT)
        return TRUE;

    if (!journalCheckFile(journal, error))
        return FALSE;
    locked = flock(journal->hold.fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (!g_file_get_contents(journal->file, &text, &len, NULL)) {
        virSnapErrorSetErrno(error, VIR_ERR_OPERATION_FAILED, errno,
                             _("cannot read journal '%s'"), journal->file);
        return FALSE;
    }

    if (!endsInZeros(text, len) || !journalParse(journal, text, plan))
        return journalSetAside(journal, error);
    if (!locked || journalProcessLives(journal))
        return qemuSnapshotJournalSetWaits(plan, error);
    if (text[len - 1] != '\n' &&
        ftruncate(journal->hold.fd, strrchr(text, '\n') + 1 - text) < 0)
        return journalSetErrno(journal->file, errno, error);

    *ret_journal = g_steal_pointer(&journal);
    *ret_plan = g_steal_pointer(&plan);
    return TRUE;
}
