#include "spec/diag.h"

#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/redact.h"

#define KEPT_MAX 500

void diags_init(struct diags *d, const char *file, struct arena *arena)
{
    *d = (struct diags){.file = file, .arena = arena};
}

static bool is_after(struct pos a, struct pos b)
{
    return a.line != b.line ? a.line > b.line : a.col > b.col;
}

static bool is_same(const struct diag *a, const struct diag *b)
{
    return a->at.line == b->at.line && a->at.col == b->at.col && a->warning == b->warning &&
           strcmp(a->text, b->text) == 0;
}

/* One line, whatever the suite holds: a message must not be able to move the cursor. */
static char *clean(char *text)
{
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = *p == '\n' || *p == '\t' ? ' ' : '?';
    }
    return text;
}

/* Keeps file order; false if it is there already. */
static bool insert(struct diags *d, struct diag *n)
{
    struct diag **at = &d->first;

    if (d->last && is_after(n->at, d->last->at))
        at = &d->last->next;
    for (; *at && !is_after((*at)->at, n->at); at = &(*at)->next) {
        if (is_same(*at, n))
            return false;
    }
    n->next = *at;
    *at = n;
    if (!n->next)
        d->last = n;
    return true;
}

static void add(struct diags *d, struct pos at, bool warning, const char *fmt, va_list ap)
{
    int *count = warning ? &d->warnings : &d->errors;

    if (d->kept < KEPT_MAX) {
        struct diag *n = arena_new(d->arena, struct diag);

        *n = (struct diag){.at = at, .warning = warning};
        n->text = clean(arena_vprintf(d->arena, fmt, ap));
        if (!insert(d, n))
            return;
        d->kept++;
    }
    ++*count;
}

bool diag_add(struct diags *d, struct pos at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, at, false, fmt, ap);
    va_end(ap);
    return false;
}

void diag_warn(struct diags *d, struct pos at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, at, true, fmt, ap);
    va_end(ap);
}

void diags_print(const struct diags *d, FILE *out)
{
    struct buf line = {0}, shown = {0};

    for (const struct diag *n = d->first; n; n = n->next) {
        buf_clear(&line);
        buf_clear(&shown);
        buf_adds(&line, d->file);
        if (n->at.line)
            buf_printf(&line, ":%d:%d", n->at.line, n->at.col);
        buf_printf(&line, ": %s%s", n->warning ? "warning: " : "", n->text);
        redact(line.data, line.len, &shown);
        fprintf(out, "%s\n", buf_text(&shown));
    }
    if (d->errors + d->warnings > d->kept)
        fprintf(out, "%s: and %d more\n", d->file, d->errors + d->warnings - d->kept);
    buf_free(&line);
    buf_free(&shown);
}
