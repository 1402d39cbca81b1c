/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_apparmor.c: would AppArmor let QEMU open the new overlays?
 *
 * Where AppArmor is active libvirt has a helper of its own write down, at each start, what
 * QEMU may open: all that the definition names and, where that does not name the whole
 * chain, what the headers do. But the helper is confined, too, and may read images in
 * the usual places alone. The start is then denied what is below.
 *
 * The helper itself can't be asked: the overlay, whose header it would have to follow, is
 * not there yet. These are its rules, which an administrator may have widened: so FORCE
 * overrides this.
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "qemu_snapshot_apparmor.h"
#include "virsnaperror.h"
#include "virsnappaths.h"

/* of the profile that libvirt installs for it */
static const char *const readable[] = {
    VIR_SNAP_PATH_IMAGES "/*", "/home/*", "/root/*", "/media/*", "/mnt/*", "/opt/*",
    "/srv/*", "*.img", "*.raw", "*.qcow", "*.qcow2", "*.qed", "*.vmdk", "*.vhd", "*.iso",
};

/* of the helper itself: no domain's image may be there */
static const char *const refused[] = {
    "/bin/", "/boot/", VIR_SNAP_PATH_ETC "/", "/lib", "/lost+found/", VIR_SNAP_PATH_PROC "/", "/sbin/", "/selinux/",
    VIR_SNAP_PATH_SYS "/", "/usr/bin/", "/usr/lib", "/usr/sbin/", "/usr/share/", "/usr/local/bin/",
    "/usr/local/etc/", "/usr/local/lib", "/usr/local/sbin/",
};

gboolean
qemuSnapshotAppArmorIsActive(const char *enabled, const char *capabilities)
{
    g_autofree char *word = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) models = NULL;

    if (!g_file_get_contents(enabled, &word, NULL, NULL) || *word != 'Y' ||
        !(doc = virSnapXMLParse(capabilities, "capabilities", _("capabilities"), NULL)))
        return FALSE;

    models = virSnapXMLNodes(doc, "/capabilities/host/secmodel/model[. = 'apparmor']");
    return models->len > 0;
}

gboolean
qemuSnapshotAppArmorCanRead(const char *file)
{
    g_autofree char *name = g_path_get_basename(file);

    if (g_str_equal(name, "disk") || g_str_has_prefix(name, "disk."))
        return TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(readable); i++) {
        if (g_pattern_match_simple(readable[i], file))
            return TRUE;
    }

    return FALSE;
}

gboolean
qemuSnapshotAppArmorCanGrant(const char *file)
{
    /* the quotes that it writes names in */
    if (strchr(file, '"'))
        return FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (g_str_has_prefix(file, refused[i]))
            return FALSE;
    }

    return TRUE;
}

static gboolean
isActive(virConnectPtr conn)
{
    char *capabilities = virConnectGetCapabilities(conn);
    gboolean active = capabilities && qemuSnapshotAppArmorIsActive(VIR_SNAP_PATH_APPARMOR, capabilities);

    free(capabilities);
    return active;
}

/* Of a domain that is not confined, or by a profile that someone has written, it is not
 * asked. */
static gboolean
isAsked(xmlDoc *doc)
{
    g_autoptr(GPtrArray) others =
        virSnapXMLNodes(doc, "/domain/seclabel[@type = 'none' or @type = 'static']"
                        "[not(@model) or @model = 'apparmor']");

    return others->len == 0;
}

static gboolean
isSpelled(const virDomainDisk *disk)
{
    return disk && disk->chain_ends;
}

gboolean
qemuSnapshotAppArmorCheck(const qemuSnapshotPlan *plan, const qemuSnapshotSource *source,
                          GError **error)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GPtrArray) disks = NULL;

    if (!isActive(virDomainGetConnect(source->dom)))
        return TRUE;
    if (!(doc = virSnapXMLParse(plan->new_xml, "domain", _("domain definition"), error)) ||
        !(disks = virDomainDefGetDisks(doc, error)))
        return FALSE;

    for (guint i = 0; isAsked(doc) && i < plan->disks->len; i++) {
        const qemuSnapshotPlanDisk *disk = g_ptr_array_index(plan->disks, i);

        if (qemuSnapshotAppArmorCanGrant(disk->overlay) &&
            (isSpelled(virDomainDisksFind(disks, disk->target)) ||
             qemuSnapshotAppArmorCanRead(disk->overlay)))
            continue;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_SNAPSHOT_REVERT_RISKY,
                    _("AppArmor would keep domain '%s' from starting on the overlay '%s' of "
                      "disk '%s': name another overlay for it, whose name ends in '.qcow2', "
                      "or one in another folder, such as '%s'"),
                    plan->domain, disk->overlay, disk->target, VIR_SNAP_PATH_IMAGES);
        return FALSE;
    }

    return TRUE;
}
