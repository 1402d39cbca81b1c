/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirtmod_snapshot.c: what libvirt_snapshot.py calls
 *
 * One function for each of the public API, on the capsule that python3-libvirt
 * keeps a snapshot's handle in. As there, a failure is a result, -1 or None: the
 * caller makes the exception of the error that libvirt keeps for the thread.
 */

/* Nothing of a certain version of Python; it has to come before the header. */
#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <stdlib.h>

#include "libvirt-domain-snapshot.h"

#define SNAPSHOT_CAPSULE "virDomainSnapshotPtr"
#define DOMAIN_CAPSULE "virDomainPtr"

/* The handle is the capsule's, which the caller has to hold on to. */
static int
convertSnapshot(PyObject *object, void *ret_snapshot)
{
    if (!PyCapsule_IsValid(object, SNAPSHOT_CAPSULE)) {
        PyErr_SetString(PyExc_TypeError,
                        "the snapshot's '_o' must be a capsule of the kind '"
                        SNAPSHOT_CAPSULE "'");
        return 0;
    }

    *(virDomainSnapshotPtr *)ret_snapshot =
        PyCapsule_GetPointer(object, SNAPSHOT_CAPSULE);
    return 1;
}

static int
convertDomain(PyObject *object, void *ret_domain)
{
    if (!PyCapsule_IsValid(object, DOMAIN_CAPSULE)) {
        PyErr_SetString(PyExc_TypeError,
                        "the domain's '_o' must be a capsule of the kind '"
                        DOMAIN_CAPSULE "'");
        return 0;
    }

    *(virDomainPtr *)ret_domain = PyCapsule_GetPointer(object, DOMAIN_CAPSULE);
    return 1;
}

/* Python's own conversion drops the bits that do not fit, and a revert with fewer
 * flags is another one. */
static int
convertFlags(PyObject *object, void *ret_flags)
{
    unsigned long flags;

    if (!PyLong_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "the flags must be an int");
        return 0;
    }

    flags = PyLong_AsUnsignedLong(object);
    if (PyErr_Occurred())
        return 0;

    if (flags > UINT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        "the flags do not fit into an unsigned int");
        return 0;
    }

    *(unsigned int *)ret_flags = flags;
    return 1;
}

static PyObject *
revertToSnapshotXML(PyObject *Py_UNUSED(module), PyObject *args)
{
    virDomainSnapshotPtr snapshot;
    const char *xml;
    unsigned int flags;
    int result;

    if (!PyArg_ParseTuple(args, "O&zO&:virDomainRevertToSnapshotXML",
                          convertSnapshot, &snapshot, &xml, convertFlags, &flags))
        return NULL;

    Py_BEGIN_ALLOW_THREADS
    result = virDomainRevertToSnapshotXML(snapshot, xml, flags);
    Py_END_ALLOW_THREADS

    return PyLong_FromLong(result);
}

static PyObject *
snapshotGetRevertXMLDesc(PyObject *Py_UNUSED(module), PyObject *args)
{
    virDomainSnapshotPtr snapshot;
    const char *xml;
    unsigned int flags;
    char *desc;
    PyObject *result;

    if (!PyArg_ParseTuple(args, "O&zO&:virDomainSnapshotGetRevertXMLDesc",
                          convertSnapshot, &snapshot, &xml, convertFlags, &flags))
        return NULL;

    Py_BEGIN_ALLOW_THREADS
    desc = virDomainSnapshotGetRevertXMLDesc(snapshot, xml, flags);
    Py_END_ALLOW_THREADS

    if (!desc)
        Py_RETURN_NONE;

    result = PyUnicode_FromString(desc);
    free(desc);
    return result;
}

static PyObject *
makeValue(const virTypedParameter *param)
{
    switch ((virTypedParameterType)param->type) {
    case VIR_TYPED_PARAM_INT:
        return PyLong_FromLong(param->value.i);
    case VIR_TYPED_PARAM_UINT:
        return PyLong_FromUnsignedLong(param->value.ui);
    case VIR_TYPED_PARAM_LLONG:
        return PyLong_FromLongLong(param->value.l);
    case VIR_TYPED_PARAM_ULLONG:
        return PyLong_FromUnsignedLongLong(param->value.ul);
    case VIR_TYPED_PARAM_DOUBLE:
        return PyFloat_FromDouble(param->value.d);
    case VIR_TYPED_PARAM_BOOLEAN:
        return PyBool_FromLong(param->value.b);
    case VIR_TYPED_PARAM_STRING:
        /* messages have names of files in them, which may be in any encoding */
        return PyUnicode_DecodeFSDefault(param->value.s);
    }

    PyErr_Format(PyExc_ValueError, "the parameter '%s' is of the unknown type %d",
                 param->field, param->type);
    return NULL;
}

static PyObject *
makeDict(const virTypedParameter *params, int nparams)
{
    PyObject *dict = PyDict_New();

    for (int i = 0; dict && i < nparams; i++) {
        PyObject *value = makeValue(&params[i]);

        if (!value || PyDict_SetItemString(dict, params[i].field, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(value);
    }

    return dict;
}

static PyObject *
snapshotGetJobInfo(PyObject *Py_UNUSED(module), PyObject *args)
{
    virDomainPtr domain;
    unsigned int flags;
    virTypedParameterPtr params = NULL;
    int nparams = 0;
    int result;
    PyObject *dict;

    if (!PyArg_ParseTuple(args, "O&O&:virDomainSnapshotGetJobInfo",
                          convertDomain, &domain, convertFlags, &flags))
        return NULL;

    Py_BEGIN_ALLOW_THREADS
    result = virDomainSnapshotGetJobInfo(domain, &params, &nparams, flags);
    Py_END_ALLOW_THREADS

    if (result < 0)
        Py_RETURN_NONE;

    dict = makeDict(params, nparams);
    virTypedParamsFree(params, nparams);
    return dict;
}

static PyMethodDef methods[] = {
    { "virDomainRevertToSnapshotXML", revertToSnapshotXML, METH_VARARGS, NULL },
    { "virDomainSnapshotGetRevertXMLDesc", snapshotGetRevertXMLDesc, METH_VARARGS,
      NULL },
    { "virDomainSnapshotGetJobInfo", snapshotGetJobInfo, METH_VARARGS, NULL },
    { NULL, NULL, 0, NULL }
};

/* None are needed, but their list is what makes the module one without a state. */
static PyModuleDef_Slot slots[] = {
    { 0, NULL }
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "libvirtmod_snapshot",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_libvirtmod_snapshot(void);

PyMODINIT_FUNC
PyInit_libvirtmod_snapshot(void)
{
    return PyModuleDef_Init(&definition);
}
