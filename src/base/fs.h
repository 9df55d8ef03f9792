/* fs.h - files, whole; nothing that a reader could catch half-written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

bool fs_read(const char *path, size_t max, struct buf *out, struct err *e); /* "-": stdin */
bool fs_write(const char *path, const void *data, size_t len, int mode,
              struct err *e);                              /* temp + rename */
bool fs_mkdirs(const char *path, int mode, struct err *e); /* like mkdir -p */
bool fs_remove_tree(const char *path); /* never follows a link; true: nothing is there now */
