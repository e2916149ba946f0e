/* Takes views away. */
#ifndef ZIPNN_MOUNT_UMOUNT_H
#define ZIPNN_MOUNT_UMOUNT_H

/* Unmounts the view at `point`, also one whose process is gone. Returns the exit status; a fault is said. */
int unmount_view(const char *point);

#endif
