/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * qemu_snapshot_preflight_device.c: what a definition's devices need of the host
 */

#include "config.h"

#include <string.h>

#include "qemu_snapshot_preflight_device.h"
#include "virsnappaths.h"

static guint64
propNumber(const xmlNode *node, const char *prop)
{
    g_autofree char *text = virSnapXMLProp(node, prop);

    return text ? g_ascii_strtoull(text, NULL, 0) : 0;
}

static void
readEmulator(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *file = virSnapXMLText(node);

    qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_EMULATOR, file);
}

static void
readPCI(qemuSnapshotNeedReader *reader, const xmlNode *source)
{
    const xmlNode *address = virSnapXMLChild(source, "address");
    g_autofree char *name = NULL;

    if (!address)
        return;
    name = g_strdup_printf("%04x:%02x:%02x.%x", (guint)propNumber(address, "domain"),
                           (guint)propNumber(address, "bus"),
                           (guint)propNumber(address, "slot"),
                           (guint)propNumber(address, "function"));
    qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_PCI, name, NULL);
}

static void
readSecret(qemuSnapshotNeedReader *reader, const xmlNode *secret)
{
    g_autofree char *uuid = virSnapXMLProp(secret, "uuid");
    g_autofree char *usage = virSnapXMLProp(secret, "usage");
    g_autofree char *type = virSnapXMLProp(secret, "type");

    if (uuid)
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_SECRET, uuid, NULL);
    else if (usage && type)
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_SECRET_USAGE, usage, type);
}

/* Those of the disk itself, of its source and of what is below it. */
static void
readSecrets(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    for (xmlNode *child = virSnapXMLNext(node->children, NULL); child;
         child = virSnapXMLNext(child->next, NULL)) {
        if (g_str_equal((const char *)child->name, "secret"))
            readSecret(reader, child);
        else if (!g_str_equal((const char *)child->name, "mirror"))
            readSecrets(reader, child);
    }
}

static void
readDisk(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    g_autofree char *target = virSnapXMLChildProp(node, "target", "dev");
    g_autofree char *file = NULL;
    g_autofree char *pool = NULL;
    g_autofree char *volume = NULL;

    if (!source || virSnapXMLPropIs(source, "startupPolicy", "optional"))
        return;

    if (virSnapXMLPropIs(node, "type", "volume")) {
        pool = virSnapXMLProp(source, "pool");
        volume = virSnapXMLProp(source, "volume");
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_POOL, pool);
        if (pool && volume)
            qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_VOLUME, volume, pool);
    } else if (virSnapXMLPropIs(node, "type", "nvme")) {
        readPCI(reader, source);
    } else {
        file = virSnapXMLProp(source,
                              virSnapXMLPropIs(node, "type", "block") ? "dev" : "file");
        if (file)
            qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_DISK_FILE, file, target);
    }

    readSecrets(reader, node);
}

static void
readPort(qemuSnapshotNeedReader *reader, const char *port, const char *address)
{
    gint64 number = port ? g_ascii_strtoll(port, NULL, 10) : 0;

    if (number > 0 && number <= G_MAXUINT16)
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_PORT, port,
                            address && *address ? address : NULL);
}

static void
readLog(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *file = virSnapXMLChildProp(node, "log", "file");

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_LOG_FILE, file);
}

static void
readTCPSource(qemuSnapshotNeedReader *reader, const xmlNode *source)
{
    g_autofree char *host = virSnapXMLProp(source, "host");
    g_autofree char *service = virSnapXMLProp(source, "service");

    if (virSnapXMLPropIs(source, "mode", "bind"))
        readPort(reader, service, host ? host : "0.0.0.0");
}

/* For a peer that may be late QEMU waits, where it is told to try again. */
static void
readUnixSource(qemuSnapshotNeedReader *reader, const xmlNode *source)
{
    g_autofree char *path = virSnapXMLProp(source, "path");

    /* the second is what it is called for network cards */
    if (!virSnapXMLPropIs(source, "mode", "connect") &&
        !virSnapXMLPropIs(source, "mode", "client"))
        qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_SOCKET, path);
    else if (!virSnapXMLChildPropIs(source, "reconnect", "enabled", "yes"))
        qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_PEER, path);
}

/* Whatever has a character device of the host behind it. */
static void
readCharacter(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *type = virSnapXMLProp(node, "type");

    readLog(reader, node);
    for (xmlNode *source = virSnapXMLNext(node->children, "source"); source;
         source = virSnapXMLNext(source->next, "source")) {
        g_autofree char *path = virSnapXMLProp(source, "path");

        if (g_strcmp0(type, "file") == 0)
            qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_OUTPUT_FILE, path);
        else if (g_strcmp0(type, "unix") == 0)
            readUnixSource(reader, source);
        else if (g_strcmp0(type, "tcp") == 0)
            readTCPSource(reader, source);
        else if (g_strcmp0(type, "pipe") == 0)
            qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_PIPE, path);
        else if (g_strcmp0(type, "dev") == 0)
            qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE, path);
    }
}

static void
readInterfaceSource(qemuSnapshotNeedReader *reader, const xmlNode *node,
                    const xmlNode *source)
{
    g_autofree char *network = virSnapXMLProp(source, "network");
    g_autofree char *bridge = virSnapXMLProp(source, "bridge");
    g_autofree char *dev = virSnapXMLProp(source, "dev");
    g_autofree char *address = virSnapXMLProp(source, "address");
    g_autofree char *port = virSnapXMLProp(source, "port");

    if (virSnapXMLPropIs(node, "type", "network"))
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_NETWORK, network);
    else if (virSnapXMLPropIs(node, "type", "bridge"))
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_BRIDGE, bridge);
    else if (virSnapXMLPropIs(node, "type", "direct"))
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_INTERFACE, dev);
    else if (virSnapXMLPropIs(node, "type", "vdpa"))
        qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE, dev);
    else if (virSnapXMLPropIs(node, "type", "hostdev"))
        readPCI(reader, source);
    else if (virSnapXMLPropIs(node, "type", "server"))
        readPort(reader, port, address ? address : "0.0.0.0");
    else if (virSnapXMLPropIs(node, "type", "vhostuser"))
        readUnixSource(reader, source);
}

static void
readInterface(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    const xmlNode *target = virSnapXMLChild(node, "target");
    g_autofree char *filter = virSnapXMLChildProp(node, "filterref", "filter");
    g_autofree char *dev = target ? virSnapXMLProp(target, "dev") : NULL;

    /* Open vSwitch has interfaces that the kernel does not list */
    if (source && !virSnapXMLChildPropIs(node, "virtualport", "type", "openvswitch"))
        readInterfaceSource(reader, node, source);
    if (target && virSnapXMLPropIs(node, "type", "ethernet") &&
        virSnapXMLPropIs(target, "managed", "no"))
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_INTERFACE, dev);
    qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_FILTER, filter);
}

static void
readUSB(qemuSnapshotNeedReader *reader, const xmlNode *source)
{
    const xmlNode *vendor = virSnapXMLChild(source, "vendor");
    const xmlNode *product = virSnapXMLChild(source, "product");
    const xmlNode *address = virSnapXMLChild(source, "address");
    g_autofree char *name = NULL;

    if (virSnapXMLPropIs(source, "startupPolicy", "optional") ||
        (reader->restored && virSnapXMLPropIs(source, "startupPolicy", "requisite")))
        return;

    /* the address may have been found by libvirt, and be another one next time */
    if (vendor && product) {
        name = g_strdup_printf("%04x:%04x", (guint)propNumber(vendor, "id"),
                               (guint)propNumber(product, "id"));
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_USB_ID, name, NULL);
    } else if (address) {
        name = g_strdup_printf("%u:%u", (guint)propNumber(address, "bus"),
                               (guint)propNumber(address, "device"));
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_USB_ADDRESS, name, NULL);
    }
}

static void
readSCSI(qemuSnapshotNeedReader *reader, const xmlNode *source)
{
    const xmlNode *address = virSnapXMLChild(source, "address");
    g_autofree char *adapter = virSnapXMLChildProp(source, "adapter", "name");
    g_autofree char *name = NULL;

    if (!address || !adapter || !g_str_has_prefix(adapter, "scsi_host"))
        return;
    name = g_strdup_printf(
        "%u:%u:%u:%u", (guint)g_ascii_strtoull(adapter + strlen("scsi_host"), NULL, 10),
        (guint)propNumber(address, "bus"), (guint)propNumber(address, "target"),
        (guint)propNumber(address, "unit"));
    qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_SCSI, name, NULL);
}

static void
readHostdev(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    g_autofree char *uuid =
        source ? virSnapXMLChildProp(source, "address", "uuid") : NULL;

    if (!source)
        return;
    if (virSnapXMLPropIs(node, "type", "pci"))
        readPCI(reader, source);
    else if (virSnapXMLPropIs(node, "type", "usb"))
        readUSB(reader, source);
    else if (virSnapXMLPropIs(node, "type", "scsi"))
        readSCSI(reader, source);
    else if (virSnapXMLPropIs(node, "type", "mdev"))
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_MDEV, uuid);
}

static void
readRNG(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *backend = virSnapXMLChild(node, "backend");
    g_autofree char *device = backend ? virSnapXMLText(backend) : NULL;

    if (!backend)
        return;
    if (virSnapXMLPropIs(backend, "model", "random"))
        qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE,
                                device ? device : VIR_SNAP_PATH_RANDOM);
    else if (virSnapXMLPropIs(backend, "model", "egd"))
        readCharacter(reader, backend);
}

static void
readFilesystem(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    g_autofree char *dir = source ? virSnapXMLProp(source, "dir") : NULL;
    g_autofree char *socket = source ? virSnapXMLProp(source, "socket") : NULL;
    g_autofree char *program = virSnapXMLChildProp(node, "binary", "path");

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_SHARED_FOLDER, dir);
    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_PEER, socket);
    if (!socket && virSnapXMLChildPropIs(node, "driver", "type", "virtiofs"))
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_VIRTIOFSD, program, NULL);
}

static void
readInput(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *dev = virSnapXMLChildProp(node, "source", "dev");
    g_autofree char *evdev = virSnapXMLChildProp(node, "source", "evdev");

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE, dev ? dev : evdev);
}

static void
readRenderNode(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *rendernode = virSnapXMLProp(node, "rendernode");

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE, rendernode);
}

static void
readGraphics(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    static const char *const ports[] = { "port", "tlsPort", "websocket" };
    const xmlNode *listen = virSnapXMLChild(node, "listen");
    const xmlNode *gl = virSnapXMLChild(node, "gl");
    g_autofree char *address = listen ? virSnapXMLProp(listen, "address") : NULL;
    g_autofree char *socket = listen ? virSnapXMLProp(listen, "socket") : NULL;
    g_autofree char *plain = virSnapXMLProp(node, "socket");

    if (gl)
        readRenderNode(reader, gl);
    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_SOCKET, socket ? socket : plain);

    for (gsize i = 0; i < G_N_ELEMENTS(ports); i++) {
        g_autofree char *port = virSnapXMLProp(node, ports[i]);

        /* of an automatic one a running domain alone says which it has */
        if (reader->live || !virSnapXMLPropIs(node, "autoport", "yes") ||
            g_str_equal(ports[i], "websocket"))
            readPort(reader, port, address);
    }
}

static void
readVideo(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *model = virSnapXMLChild(node, "model");
    const xmlNode *acceleration = model ? virSnapXMLChild(model, "acceleration") : NULL;

    if (acceleration)
        readRenderNode(reader, acceleration);
}

static void
readAudio(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *input = virSnapXMLChildProp(node, "input", "dev");
    g_autofree char *output = virSnapXMLChildProp(node, "output", "dev");

    if (!virSnapXMLPropIs(node, "type", "oss"))
        return;
    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_SOUND,
                            input ? input : VIR_SNAP_PATH_SOUND);
    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_SOUND,
                            output ? output : VIR_SNAP_PATH_SOUND);
}

static void
readTPM(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *backend = virSnapXMLChild(node, "backend");
    const xmlNode *source = backend ? virSnapXMLChild(backend, "source") : NULL;
    g_autofree char *secret = NULL;
    g_autofree char *device = NULL;

    if (!backend)
        return;
    if (virSnapXMLPropIs(backend, "type", "emulator")) {
        secret = virSnapXMLChildProp(backend, "encryption", "secret");
        qemuSnapshotNeedAdd(reader, QEMU_SNAPSHOT_NEED_TPM_EMULATOR, NULL, NULL);
        qemuSnapshotNeedAddNamed(reader, QEMU_SNAPSHOT_NEED_SECRET, secret);
    } else if (virSnapXMLPropIs(backend, "type", "passthrough")) {
        device = virSnapXMLChildProp(backend, "device", "path");
        qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE,
                                device ? device : VIR_SNAP_PATH_TPM);
    } else if (source) {
        readUnixSource(reader, source);
    }
}

static void
readMemoryDevice(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    const xmlNode *source = virSnapXMLChild(node, "source");
    const xmlNode *path = source ? virSnapXMLChild(source, "path") : NULL;
    g_autofree char *file = path ? virSnapXMLText(path) : NULL;

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_MEMORY_FILE, file);
}

static void
readShmem(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    g_autofree char *path = virSnapXMLChildProp(node, "server", "path");

    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_PEER, path);
}

static void
readVsock(qemuSnapshotNeedReader *reader, const xmlNode *node G_GNUC_UNUSED)
{
    qemuSnapshotNeedAddPath(reader, QEMU_SNAPSHOT_NEED_DEVICE, VIR_SNAP_PATH_VSOCK);
}

static const qemuSnapshotNeedElement devices[] = {
    { "emulator", readEmulator },
    { "disk", readDisk },
    { "interface", readInterface },
    { "hostdev", readHostdev },
    { "serial", readCharacter },
    { "parallel", readCharacter },
    { "console", readCharacter },
    { "channel", readCharacter },
    { "redirdev", readCharacter },
    { "smartcard", readCharacter },
    { "rng", readRNG },
    { "filesystem", readFilesystem },
    { "input", readInput },
    { "graphics", readGraphics },
    { "video", readVideo },
    { "audio", readAudio },
    { "tpm", readTPM },
    { "memory", readMemoryDevice },
    { "shmem", readShmem },
    { "vsock", readVsock },
};

void
qemuSnapshotNeedsReadDevices(qemuSnapshotNeedReader *reader, const xmlNode *node)
{
    qemuSnapshotNeedReadElements(reader, node, devices, G_N_ELEMENTS(devices));
}
