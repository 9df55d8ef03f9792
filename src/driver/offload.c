#include "driver/offload.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"

#define STACK_BYTES (512 << 10)

static void push(struct offload_queue *q, struct offload_task *t)
{
    t->next = NULL;
    if (q->last)
        q->last->next = t;
    else
        q->first = t;
    q->last = t;
}

static struct offload_task *pop(struct offload_queue *q)
{
    struct offload_task *t = q->first;

    if (t)
        q->first = t->next;
    if (!q->first)
        q->last = NULL;
    return t;
}

/* The next task; NULL when the pool ends. */
static struct offload_task *take(struct offload *o)
{
    struct offload_task *t = NULL;

    pthread_mutex_lock(&o->lock);
    while (!o->ending && !o->waiting.first) {
        o->idle++;
        pthread_cond_wait(&o->more, &o->lock);
        o->idle--;
    }
    if (!o->ending)
        t = pop(&o->waiting);
    pthread_mutex_unlock(&o->lock);
    return t;
}

static void *thread_main(void *arg)
{
    struct offload *o = arg;
    struct offload_task *t;
    uint64_t one = 1;
    void *slot = NULL;

    while ((t = take(o)) != NULL) {
        t->work(t, &slot);
        pthread_mutex_lock(&o->lock);
        push(&o->finished, t);
        pthread_mutex_unlock(&o->lock);
        if (write(o->done_fd, &one, sizeof(one)) < 0)
            bug("the event descriptor does not take a number");
    }
    if (o->close)
        o->close(&slot);
    return NULL;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct offload *o = arg;
    struct offload_queue finished;
    struct offload_task *t;
    uint64_t ignored;

    (void)what;
    if (read(fd, &ignored, sizeof(ignored)) < 0)
        return;
    pthread_mutex_lock(&o->lock);
    finished = o->finished;
    o->finished = (struct offload_queue){0};
    pthread_mutex_unlock(&o->lock);
    while ((t = pop(&finished)) != NULL)
        t->done(t);
}

bool offload_start(struct offload *o, struct event_base *base, int thread_max, struct err *e)
{
    o->open = true;
    o->thread_max = thread_max > 0 ? thread_max : 1;
    o->threads = xcalloc((size_t)o->thread_max, sizeof(*o->threads));
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->more, NULL);
    o->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->done_fd < 0)
        return err_errno(e, "could not make an event descriptor");
    o->event = event_new(base, o->done_fd, EV_READ | EV_PERSIST, on_finished, o);
    return (o->event && event_add(o->event, NULL) == 0) ||
           err_set(e, "could not watch an event descriptor");
}

static bool add_thread(struct offload *o, struct err *e)
{
    int error = thread_start(&o->threads[o->thread_count], STACK_BYTES, thread_main, o);

    if (error)
        return err_set(e, "could not start a thread: %s", strerrordesc_np(error));
    o->thread_count++;
    return true;
}

/* Threads are made when there is work that none is free for, up to the limit. */
bool offload_submit(struct offload *o, struct offload_task *t, struct err *e)
{
    bool busy;

    pthread_mutex_lock(&o->lock);
    busy = o->idle == 0 || o->waiting.first;
    pthread_mutex_unlock(&o->lock);
    if (busy && o->thread_count < o->thread_max && !add_thread(o, e) && o->thread_count == 0)
        return false;
    pthread_mutex_lock(&o->lock);
    push(&o->waiting, t);
    pthread_cond_signal(&o->more);
    pthread_mutex_unlock(&o->lock);
    return true;
}

void offload_stop(struct offload *o)
{
    if (!o->open)
        return;
    __atomic_store_n(&o->cancelled, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&o->lock);
    o->ending = true;
    pthread_cond_broadcast(&o->more);
    pthread_mutex_unlock(&o->lock);
    for (int i = 0; i < o->thread_count; i++)
        pthread_join(o->threads[i], NULL);
    if (o->event)
        event_free(o->event);
    if (o->done_fd >= 0)
        close(o->done_fd);
    pthread_cond_destroy(&o->more);
    pthread_mutex_destroy(&o->lock);
    free(o->threads);
    *o = (struct offload){0};
}
