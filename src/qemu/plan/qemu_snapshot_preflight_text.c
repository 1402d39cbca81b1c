/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_text.c: what it means that the host lacks something
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_preflight_text.h"
#include "virsnaperror.h"

#define CERTAIN QEMU_SNAPSHOT_FINDING_CERTAIN, VIR_ERR_CONFIG_UNSUPPORTED
#define CERTAIN_FILE QEMU_SNAPSHOT_FINDING_CERTAIN, VIR_ERR_OPERATION_FAILED
#define RISKY QEMU_SNAPSHOT_FINDING_RISKY, VIR_ERR_SNAPSHOT_REVERT_RISKY
#define NOTE QEMU_SNAPSHOT_FINDING_NOTE, VIR_ERR_OK

/* {domain}, {snapshot}, {name} and {more} of the need, {amount} of memory, {why} as the
 * system says it. */
static const qemuSnapshotFindingRule missing[QEMU_SNAPSHOT_NEED_LAST] = {
    [QEMU_SNAPSHOT_NEED_BOOT_FILE] = { CERTAIN_FILE,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}' without "
           "'{name}': {why}") },
    [QEMU_SNAPSHOT_NEED_NVRAM] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': its UEFI "
           "variables in '{name}' have to be made from template '{more}', which "
           "can't be read ({why}); put either file back") },
    [QEMU_SNAPSHOT_NEED_NVRAM_BY_LOADER] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': its UEFI "
           "variables in '{name}' have to be made from a template, and the host "
           "knows none for firmware '{more}'; put the file back or install the "
           "template") },
    [QEMU_SNAPSHOT_NEED_EMULATOR] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': its "
           "emulator '{name}' can't be run ({why}); install it") },
    [QEMU_SNAPSHOT_NEED_DISK_FILE] = { CERTAIN_FILE,
        N_("disk '{more}' of domain '{domain}' needs '{name}', which snapshot "
           "'{snapshot}' does not hold: {why}") },
    [QEMU_SNAPSHOT_NEED_POOL] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': a disk "
           "is in storage pool '{name}', which is not defined; define and start the "
           "pool") },
    [QEMU_SNAPSHOT_NEED_VOLUME] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': storage "
           "pool '{more}' has no volume '{name}', which a disk is on; put it back") },
    [QEMU_SNAPSHOT_NEED_SECRET] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it needs "
           "secret '{name}', which is not defined; define it and set its value") },
    [QEMU_SNAPSHOT_NEED_SECRET_USAGE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it needs "
           "the secret of usage '{name}', which is not defined; define it and set "
           "its value") },
    [QEMU_SNAPSHOT_NEED_NETWORK] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': network "
           "'{name}' is not defined; define and start it") },
    [QEMU_SNAPSHOT_NEED_FILTER] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': network "
           "filter '{name}' is not defined; define it") },
    [QEMU_SNAPSHOT_NEED_BRIDGE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no bridge '{name}'; make it") },
    [QEMU_SNAPSHOT_NEED_INTERFACE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no network interface '{name}'; make it") },
    [QEMU_SNAPSHOT_NEED_OUTPUT_FILE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': file "
           "'{name}' of a serial port, console or channel can't be written ({why}); "
           "make its folder, or the file writable") },
    [QEMU_SNAPSHOT_NEED_LOG_FILE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': log "
           "'{name}' of a serial port, console or channel can't be written ({why}); "
           "make its folder, or the file writable") },
    [QEMU_SNAPSHOT_NEED_SOCKET] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': socket "
           "'{name}' can't be made in its folder ({why}); make the folder") },
    [QEMU_SNAPSHOT_NEED_PEER] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': nobody "
           "offers socket '{name}', to which it connects ({why}); start the program "
           "that does") },
    [QEMU_SNAPSHOT_NEED_PIPE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': pipe "
           "'{name}' can't be opened ({why}); make it") },
    [QEMU_SNAPSHOT_NEED_DEVICE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': device "
           "'{name}' of the host can't be opened ({why}); connect it or load its "
           "driver") },
    [QEMU_SNAPSHOT_NEED_SOUND] = { NOTE,
        N_("domain '{domain}' may have no sound when started as in snapshot "
           "'{snapshot}': device '{name}' of the host can't be opened ({why})") },
    [QEMU_SNAPSHOT_NEED_SHARED_FOLDER] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': folder "
           "'{name}', which it shares, is not there ({why}); make or mount it") },
    [QEMU_SNAPSHOT_NEED_VIRTIOFSD] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it "
           "shares a folder, for which the host has no virtiofsd; install it") },
    [QEMU_SNAPSHOT_NEED_TPM_EMULATOR] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it has "
           "an emulated TPM, for which the host has no swtpm; install it") },
    [QEMU_SNAPSHOT_NEED_MEMORY_FILE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': file "
           "'{name}' of its persistent memory can't be written ({why}); put it back") },
    [QEMU_SNAPSHOT_NEED_PCI] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no PCI device '{name}'; put it in or take it out of the definition") },
    [QEMU_SNAPSHOT_NEED_USB_ID] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no USB device of vendor and product '{name}'; plug it in") },
    [QEMU_SNAPSHOT_NEED_USB_ADDRESS] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no USB device of bus and number '{name}'; plug it in") },
    [QEMU_SNAPSHOT_NEED_MDEV] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no mediated device '{name}'; make it") },
    [QEMU_SNAPSHOT_NEED_SCSI] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no SCSI device '{name}'; connect it") },
    [QEMU_SNAPSHOT_NEED_CPUS] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it is "
           "bound to processors '{name}', none of which the host has") },
    [QEMU_SNAPSHOT_NEED_NODES] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it is "
           "bound to NUMA nodes '{name}', not all of which the host has") },
    [QEMU_SNAPSHOT_NEED_CPU_MODEL] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': libvirt "
           "says that the host's processor is not compatible with model '{name}' and "
           "the features that it is to have") },
    [QEMU_SNAPSHOT_NEED_HUGE_PAGES] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the host "
           "has no huge pages of {name} KiB") },
    /* libvirt goes by what was mounted when it was started itself */
    [QEMU_SNAPSHOT_NEED_HUGE_MOUNT] = { RISKY,
        N_("domain '{domain}' may not start as in snapshot '{snapshot}': it needs "
           "huge pages, and no hugetlbfs of that page size is mounted; mount it and "
           "restart libvirt") },
    [QEMU_SNAPSHOT_NEED_MEMORY_PROMISED] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it has "
           "{amount} of memory, more than the whole host with its swap space") },
};

static const qemuSnapshotFindingRule unfit[QEMU_SNAPSHOT_NEED_LAST] = {
    [QEMU_SNAPSHOT_NEED_POOL] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': a disk "
           "is in storage pool '{name}', which is not active; start the pool") },
    [QEMU_SNAPSHOT_NEED_SECRET] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': secret "
           "'{name}' has no value; set it") },
    [QEMU_SNAPSHOT_NEED_SECRET_USAGE] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': the "
           "secret of usage '{name}' has no value; set it") },
    [QEMU_SNAPSHOT_NEED_NETWORK] = { CERTAIN,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': network "
           "'{name}' is not active; start it") },
    [QEMU_SNAPSHOT_NEED_PORT] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': another "
           "program listens on TCP port {name}; end that program or have it use "
           "another port") },
    [QEMU_SNAPSHOT_NEED_CPUS] = { RISKY,
        N_("domain '{domain}' may not start as in snapshot '{snapshot}': it is bound "
           "to processors '{name}', some of which the host can't have") },
    [QEMU_SNAPSHOT_NEED_HUGE_PAGES] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it needs "
           "{amount} in huge pages, more than are free; make more of them") },
    [QEMU_SNAPSHOT_NEED_MEMORY_NOW] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it takes "
           "{amount} of memory at its start, more than is free on the host; free "
           "some") },
    [QEMU_SNAPSHOT_NEED_MEMORY] = { NOTE,
        N_("domain '{domain}' as in snapshot '{snapshot}' has {amount} of memory, "
           "more than is free on the host") },
    [QEMU_SNAPSHOT_NEED_MEMORY_RESTORED] = { RISKY,
        N_("domain '{domain}' can't be restored to snapshot '{snapshot}': {amount} "
           "are in its memory file, more than is free on the host; free some") },
    [QEMU_SNAPSHOT_NEED_MEMORY_PROMISED] = { RISKY,
        N_("domain '{domain}' can't be started as in snapshot '{snapshot}': it has "
           "{amount} of memory, more than the kernel may promise by its setting "
           "vm.overcommit_memory=2; end another program or change the setting") },
};

const qemuSnapshotFindingRule *
qemuSnapshotFindingRuleFor(qemuSnapshotNeedKind kind, qemuSnapshotAnswer answer)
{
    return answer == QEMU_SNAPSHOT_ANSWER_UNFIT ? &unfit[kind] : &missing[kind];
}

/* What stands for the word in braces; NULL where it is none of those known. */
static char *
wordValue(const char *word, const qemuSnapshotPlan *plan, const qemuSnapshotNeed *need,
          int fault)
{
    const struct {
        const char *word;
        const char *value;
    } values[] = {
        { "domain", plan->domain },
        { "snapshot", plan->snapshot },
        { "name", need->name },
        { "more", need->more },
        { "why", g_strerror(fault) },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        if (g_str_equal(word, values[i].word))
            return g_strdup(values[i].value ? values[i].value : "");
    }

    return g_str_equal(word, "amount") ?
        g_format_size_full(need->amount * 1024, G_FORMAT_SIZE_IEC_UNITS) : NULL;
}

/* In one go: a value may have braces in it, too. */
char *
qemuSnapshotFindingFormat(const qemuSnapshotFindingRule *rule,
                          const qemuSnapshotPlan *plan, const qemuSnapshotNeed *need,
                          int fault)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *p = _(rule->text);

    while (*p) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        g_autofree char *word = end ? g_strndup(p + 1, end - p - 1) : NULL;
        g_autofree char *value = word ? wordValue(word, plan, need, fault) : NULL;

        if (value)
            g_string_append(text, value);
        else
            g_string_append_c(text, *p);
        p = value ? end + 1 : p + 1;
    }

    return g_string_free(g_steal_pointer(&text), FALSE);
}
