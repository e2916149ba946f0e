#include "shared/command.h"

int main(int argc, char **argv) {
    return zipnn_command(argc, argv);
}
