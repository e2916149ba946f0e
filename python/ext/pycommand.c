/* The command `zipnn` of the package: the program's code, inside of the extension, so that no file holds the library twice. */
#include <stdlib.h>

#include "pyzipnn.h"
#include "shared/command.h"

/* command(argv): bytes in a list. Ends the process. */
PyObject *pyz_command(PyObject *self, PyObject *argument) {
    (void)self;
    const Py_ssize_t n = PyList_Check(argument) ? PyList_Size(argument) : -1;
    char **argv = n > 0 ? calloc((size_t)n + 1, sizeof *argv) : NULL;
    if (!argv) return n > 0 ? PyErr_NoMemory() : PyErr_Format(PyExc_TypeError, "command takes a list of bytes");
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyBytes_AsStringAndSize(PyList_GetItem(argument, i), &argv[i], NULL) != 0) {
            free(argv);
            return NULL;
        }
    }
    exit(zipnn_command((int)n, argv));
}
