/* --help */
#ifndef ZIPNN_CLI_USAGE_H
#define ZIPNN_CLI_USAGE_H

void usage_print(void);

#endif
