/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * virtsnapshotd_config.c: virtsnapshotd.conf
 *
 * The syntax is that of libvirt's own configuration files: `key = "text"`,
 * `key = number` and `# comment`.
 */

#include "config.h"

#include <string.h>

#include "virsnaperror.h"
#include "virtsnapshotd_config.h"

typedef struct _configKey configKey;
struct _configKey {
    const char *name;
    gsize offset;
    guint min;   /* of a number; max 0: a string; min above it: a list of strings */
    guint max;
};

#define KEY(member, min, max) \
    { #member, G_STRUCT_OFFSET(virtsnapshotdConfig, member), min, max }

static const configKey keys[] = {
    KEY(unix_sock_group, 0, 0),
    KEY(unix_sock_rw_perms, 0, 0),
    KEY(unix_sock_ro_perms, 0, 0),
    KEY(backend_socket, 0, 0),
    KEY(backend_socket_ro, 0, 0),
    KEY(revert_by, 0, 0),
    KEY(exclusive_storage, 1, 0),
    KEY(storage_daemon, 0, 0),
    KEY(storage_daemon_timeout, 1, 86400),
    KEY(storage_timeout, 1, 86400),
    KEY(max_clients, 1, 100000),
    KEY(max_workers, 1, 1000),
};

void
virtsnapshotdConfigFree(virtsnapshotdConfig *config)
{
    if (!config)
        return;

    g_free(config->unix_sock_group);
    g_free(config->unix_sock_rw_perms);
    g_free(config->unix_sock_ro_perms);
    g_free(config->backend_socket);
    g_free(config->backend_socket_ro);
    g_free(config->revert_by);
    g_strfreev(config->exclusive_storage);
    g_free(config->storage_daemon);
    g_free(config);
}

static virtsnapshotdConfig *
configNew(gboolean privileged)
{
    virtsnapshotdConfig *config = g_new0(virtsnapshotdConfig, 1);

    config->unix_sock_group = privileged ? g_strdup("libvirt") : NULL;
    config->unix_sock_rw_perms = g_strdup(privileged ? "0660" : "0600");
    config->unix_sock_ro_perms = g_strdup("0666");
    config->revert_by = g_strdup(VIRTSNAPSHOTD_REVERT_BY_US);
    config->storage_daemon = g_strdup("qemu-storage-daemon");
    config->storage_daemon_timeout = 60;
    config->storage_timeout = 10;
    config->max_clients = 5000;
    config->max_workers = 20;

    return config;
}

/* [ "one", "another" ] */
static gboolean
configSetList(char ***list, GScanner *scanner, GTokenType token)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);

    if (token != G_TOKEN_LEFT_BRACE)
        return FALSE;

    while ((token = g_scanner_get_next_token(scanner)) == G_TOKEN_STRING) {
        g_ptr_array_add(items, g_strdup(scanner->value.v_string));
        if ((token = g_scanner_get_next_token(scanner)) != G_TOKEN_COMMA)
            break;
    }
    if (token != G_TOKEN_RIGHT_BRACE)
        return FALSE;

    g_strfreev(*list);
    g_ptr_array_add(items, NULL);
    *list = (char **)g_ptr_array_free(g_steal_pointer(&items), FALSE);
    return TRUE;
}

static gboolean
configSet(virtsnapshotdConfig *config, const configKey *key, GScanner *scanner,
          GTokenType token)
{
    if (key->min > key->max)
        return configSetList(G_STRUCT_MEMBER_P(config, key->offset), scanner, token);

    if (key->max == 0) {
        char **text = G_STRUCT_MEMBER_P(config, key->offset);

        if (token != G_TOKEN_STRING)
            return FALSE;
        g_free(*text);
        *text = g_strdup(scanner->value.v_string);
        return TRUE;
    }

    if (token != G_TOKEN_INT || scanner->value.v_int < key->min ||
        scanner->value.v_int > key->max)
        return FALSE;
    G_STRUCT_MEMBER(guint, config, key->offset) = scanner->value.v_int;
    return TRUE;
}

static gboolean
configParseLine(virtsnapshotdConfig *config, GScanner *scanner, const char *file,
                GError **error)
{
    g_autofree char *name = NULL;

    if (scanner->token == G_TOKEN_IDENTIFIER)
        name = g_strdup(scanner->value.v_identifier);

    for (gsize i = 0; name && i < G_N_ELEMENTS(keys); i++) {
        if (!g_str_equal(keys[i].name, name))
            continue;
        if (g_scanner_get_next_token(scanner) == '=' &&
            configSet(config, &keys[i], scanner,
                      g_scanner_get_next_token(scanner)))
            return TRUE;
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                    _("the value of '%s' in line %u of '%s' is not valid"),
                    name, scanner->line, file);
        return FALSE;
    }

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                _("there is no setting '%s', in line %u of '%s'"),
                name ? name : "", scanner->line, file);
    return FALSE;
}

static gboolean
configParse(virtsnapshotdConfig *config, const char *text, const char *file,
            GError **error)
{
    g_autoptr(GScanner) scanner = g_scanner_new(NULL);
    gboolean ok = TRUE;

    scanner->config->cpair_comment_single = (char *)"#\n";
    scanner->config->scan_identifier_1char = TRUE;
    scanner->config->scan_octal = FALSE;
    g_scanner_input_text(scanner, text, strlen(text));

    while (ok && g_scanner_get_next_token(scanner) != G_TOKEN_EOF)
        ok = configParseLine(config, scanner, file, error);

    return ok;
}

/* Whether the text is a file mode in octal digits. */
static gboolean
configCheckPerms(const char *perms, const char *name, GError **error)
{
    guint64 mode;

    if (g_ascii_string_to_unsigned(perms, 8, 0, 0777, &mode, NULL))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                _("the value '%s' of '%s' is not a file mode in octal digits"),
                perms, name);
    return FALSE;
}

static gboolean
configCheckPath(const char *path, const char *name, GError **error)
{
    if (!path || g_path_is_absolute(path))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                _("the value '%s' of '%s' is not an absolute path"), path, name);
    return FALSE;
}

static gboolean
configCheckRevertBy(const char *value, GError **error)
{
    if (g_str_equal(value, VIRTSNAPSHOTD_REVERT_BY_US) ||
        g_str_equal(value, VIRTSNAPSHOTD_REVERT_BY_LIBVIRT))
        return TRUE;

    g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                _("the value '%s' of 'revert_by' is neither '%s' nor '%s'"), value,
                VIRTSNAPSHOTD_REVERT_BY_US, VIRTSNAPSHOTD_REVERT_BY_LIBVIRT);
    return FALSE;
}

static gboolean
configCheck(virtsnapshotdConfig *config, GError **error)
{
    if (config->backend_socket && !config->backend_socket_ro)
        config->backend_socket_ro = g_strconcat(config->backend_socket, "-ro", NULL);

    return configCheckPerms(config->unix_sock_rw_perms, "unix_sock_rw_perms", error) &&
        configCheckPerms(config->unix_sock_ro_perms, "unix_sock_ro_perms", error) &&
        configCheckPath(config->backend_socket, "backend_socket", error) &&
        configCheckPath(config->backend_socket_ro, "backend_socket_ro", error) &&
        configCheckRevertBy(config->revert_by, error);
}

virtsnapshotdConfig *
virtsnapshotdConfigLoad(const char *file, gboolean must_exist,
                        gboolean privileged, GError **error)
{
    g_autoptr(virtsnapshotdConfig) config = configNew(privileged);
    g_autofree char *text = NULL;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(file, &text, NULL, &cause)) {
        if (!must_exist && g_error_matches(cause, G_FILE_ERROR,
                                           G_FILE_ERROR_NOENT))
            return g_steal_pointer(&config);
        g_set_error(error, VIR_SNAP_ERROR, VIR_ERR_CONF_SYNTAX,
                    _("cannot read '%s': %s"), file, cause->message);
        return NULL;
    }

    if (!configParse(config, text, file, error) || !configCheck(config, error))
        return NULL;

    return g_steal_pointer(&config);
}
