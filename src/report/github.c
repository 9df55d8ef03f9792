#include "report/github.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/text.h"
#include "run/result.h"

#define MAX_ANNOTATIONS 9

void github_token(char token[GITHUB_TOKEN_MAX])
{
    unsigned char bytes[16];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        bug("no random bytes");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
}

/* In a property, `:` and `,` would end it. */
static void escape(struct buf *out, const char *s, bool property)
{
    struct buf clean = {0};

    if (s)
        text_clean(s, strlen(s), true, &clean);
    for (const char *p = buf_text(&clean); *p; p++) {
        if (*p == '%' || *p == '\r' || *p == '\n' || (property && (*p == ':' || *p == ',')))
            buf_printf(out, "%%%02X", (unsigned)*p);
        else
            buf_addc(out, *p);
    }
    buf_free(&clean);
}

void github_group(struct buf *out, const char *title)
{
    buf_adds(out, "::group::");
    escape(out, title, false);
    buf_addc(out, '\n');
}

void github_group_end(struct buf *out)
{
    buf_adds(out, "::endgroup::\n");
}

void github_guard(struct buf *out, const char *text, const char *token)
{
    bool guarded = strstr(text, "::") || strstr(text, "##[");
    size_t len = strlen(text);

    if (guarded)
        buf_printf(out, "::stop-commands::%s\n", token);
    buf_add(out, text, len);
    if (len && text[len - 1] != '\n')
        buf_addc(out, '\n');
    if (guarded)
        buf_printf(out, "::%s::\n", token);
}

/* 0: an error, 1: a warning, 2: a notice; -1: nothing to say. */
static int level_of(const struct finding *f)
{
    if (f->state == FOUND_PASS || f->state == FOUND_NOT_RUN)
        return -1;
    if (f->warn)
        return 2;
    return f->state == FOUND_BREACH ? 0 : 1;
}

static void annotate(const struct run_result *r, const struct finding *f, int level,
                     struct buf *out)
{
    static const char *const commands[] = {"error", "warning", "notice"};

    buf_printf(out, "::%s ", commands[level]);
    if (f->line) {
        buf_adds(out, "file=");
        escape(out, r->suite->file, true);
        buf_printf(out, ",line=%d,", f->line);
        if (f->col)
            buf_printf(out, "col=%d,", f->col);
    }
    buf_adds(out, "title=");
    escape(out, f->name, true);
    buf_adds(out, "::");
    escape(out, f->message, false);
    buf_addc(out, '\n');
}

static void annotate_level(const struct run_result *r, int level, int *count, struct buf *out)
{
    for (int i = -1; i < r->phase_count; i++)
        for (const struct finding *f = i < 0 ? r->findings : r->phases[i].findings; f; f = f->next)
            if (level_of(f) == level && ++*count <= MAX_ANNOTATIONS)
                annotate(r, f, level, out);
}

void github_annotations(const struct run_result *r, struct buf *out)
{
    int count = 0;

    for (int level = 0; level < 3; level++)
        annotate_level(r, level, &count, out);
    if (count > MAX_ANNOTATIONS)
        buf_printf(out, "::notice title=shakedown::and %d more; see the step summary\n",
                   count - MAX_ANNOTATIONS);
}

static void output(struct buf *out, const char *name, const char *value, const char *token)
{
    buf_printf(out, "%s<<%s\n", name, token);
    text_add(out, value);
    buf_printf(out, "\n%s\n", token);
}

void github_outputs(const struct run_result *r, const char *token, struct buf *out)
{
    char code[16];

    snprintf(code, sizeof(code), "%d", text_exit_code(r));
    output(out, "verdict", text_verdict(r), token);
    output(out, "exit_code", code, token);
    output(out, "report", r->dir ? r->dir : "", token);
}
