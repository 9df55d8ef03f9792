/*
 * h2_pool.h - memory for the sessions of one thread.
 *
 * nghttp2 allocates and releases the same few small sizes for every request.  A pool keeps what was
 * released, by size, and asks the C library for nothing that it has already.  It belongs to one
 * thread, outlives its sessions and never shrinks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct h2_pool;

struct h2_pool *h2_pool_new(void);
void h2_pool_free(struct h2_pool *p); /* with all that came from it; NULL is fine */

/*
 * Each session has 16 KiB in which it makes a frame and which are of no use between two frames.
 * While a session is being made with sharing on, it gets the same memory as all others.
 */
void h2_pool_share(struct h2_pool *p, bool on); /* NULL is fine */

void *h2_pool_alloc(size_t size, void *pool);
void *h2_pool_calloc(size_t n, size_t size, void *pool);
void *h2_pool_realloc(void *old, size_t size, void *pool);
void h2_pool_release(void *block, void *pool); /* NULL is fine */
