#include "report/console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "report/figures.h"
#include "report/files.h"
#include "report/github.h"
#include "report/ticker.h"
#include "report/terminal.h"
#include "report/text.h"
#include "run/observer.h"
#include "run/result.h"

struct console {
    struct observer observer;
    struct console_opts opts;
    struct arena *arena;
    struct ticker *tickers; /* one for each step of the phase */
    int drawn;              /* live lines on the screen, the cursor below them */
    char token[GITHUB_TOKEN_MAX];
};

static bool is_on(const char *name)
{
    const char *v = getenv(name);

    return v && *v;
}

void console_defaults(struct console_opts *o)
{
    const char *term = getenv("TERM"), *force = getenv("FORCE_COLOR"),
               *ci = getenv("GITHUB_ACTIONS");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;

    *o = (struct console_opts){0};
    o->github = ci && strcmp(ci, "true") == 0;
    o->tty = isatty(STDERR_FILENO) && !dumb && !o->github;
    o->color = o->tty && !is_on("NO_COLOR");
    if (is_on("FORCE_COLOR"))
        o->color = strcmp(force, "0") != 0;
}

static void erase(struct console *c, struct buf *out)
{
    if (c->drawn)
        buf_printf(out, "\033[%dA\r\033[J", c->drawn);
    c->drawn = 0;
}

/* Prints text of people's, behind a guard where the log is a command channel. */
static void print(struct console *c, struct buf *text)
{
    struct buf out = {0};

    erase(c, &out);
    if (c->opts.github)
        github_guard(&out, buf_text(text), c->token);
    else
        buf_add(&out, buf_text(text), text->len);
    terminal_write(&out);
    buf_free(&out);
    buf_free(text);
}

static void on_run_begin(void *ctx, const struct run_result *r)
{
    struct console *c = ctx;
    struct buf line = {0}, name = {0};

    text_add(&name, r->suite->name);
    buf_adds(&line, "shakedown ");
    text_styled(&line, c->opts.color, STYLE_BOLD, buf_text(&name));
    if (r->suite->preset) {
        buf_adds(&line, ", preset ");
        text_add(&line, r->suite->preset);
    }
    buf_adds(&line, ", run ");
    text_add(&line, r->run_id);
    buf_addc(&line, '\n');
    print(c, &line);
    buf_free(&name);
}

static void on_note(void *ctx, const char *note)
{
    struct buf line = {0};

    text_clean(note, strlen(note), true, &line);
    while (line.len && line.data[line.len - 1] == '\n')
        line.data[--line.len] = '\0';
    buf_addc(&line, '\n');
    print(ctx, &line);
}

static void on_phase_begin(void *ctx, const struct run_result *r, const struct phase_result *p)
{
    struct console *c = ctx;
    struct buf line = {0}, name = {0};

    (void)r;
    c->tickers = arena_array(c->arena, struct ticker, p->phase->step_count);
    if (c->opts.github) {
        github_group(&line, p->phase->name);
        terminal_write(&line);
    } else {
        text_add(&name, p->phase->name);
        text_styled(&line, c->opts.color, STYLE_BOLD, buf_text(&name));
        buf_addc(&line, '\n');
        print(c, &line);
    }
    buf_free(&line);
    buf_free(&name);
}

static void redraw(struct console *c, const struct live *steps, int count)
{
    struct buf out = {0};
    int columns = terminal_columns();

    if (c->drawn)
        buf_printf(&out, "\033[%dA", c->drawn);
    for (int i = 0; i < count; i++) {
        buf_addc(&out, '\r');
        ticker_line(&steps[i], &c->tickers[i], columns, c->opts.color, &out);
        buf_adds(&out, "\033[K\n");
    }
    c->drawn = count;
    terminal_write(&out);
    buf_free(&out);
}

static void on_tick(void *ctx, const struct phase_result *p, const struct live *steps, int count)
{
    struct console *c = ctx;
    struct buf line = {0};

    if (!c->tickers || count > p->phase->step_count)
        return;
    if (c->opts.tty) {
        redraw(c, steps, count);
        return;
    }
    for (int i = 0; i < count; i++)
        ticker_plain(&steps[i], &c->tickers[i], &line);
    if (line.len)
        print(c, &line);
    buf_free(&line);
}

static void add_step(struct buf *out, const struct step_result *sr)
{
    struct figures f;
    char text[UNITS_MAX];

    if (sr->step->load.executor == EX_ONCE) /* its finding says all there is to say */
        return;
    figures_get(sr, &f);
    buf_adds(out, "  ");
    text_add(out, sr->step->name);
    buf_printf(out, ": %s operations", units_print_count((double)sr->sent, text));
    buf_printf(out, ", %s failed",
               units_print_count((double)(sr->failed + sr->client_errors), text));
    if (f.rate > 0)
        buf_printf(out, ", %s", units_print_rate(f.rate, text));
    if (f.measured && sr->step->load.executor != EX_STEPPING) {
        buf_printf(out, ", p50 %s", units_print_duration(f.p50, text));
        buf_printf(out, ", p95 %s", units_print_duration(f.p95, text));
        buf_printf(out, ", p99 %s", units_print_duration(f.p99, text));
    }
    buf_addc(out, '\n');
}

static void on_phase_end(void *ctx, const struct run_result *r, const struct phase_result *p)
{
    struct console *c = ctx;
    struct buf text = {0}, end = {0};
    enum style style;
    const char *word = text_phase_word(p, &style);

    (void)r;
    for (int i = 0; !p->skipped && p->steps && i < p->phase->step_count; i++)
        add_step(&text, &p->steps[i]);
    for (const struct finding *f = p->findings; f; f = f->next)
        if (f->state != FOUND_PASS)
            text_finding(&text, f, c->opts.color);
    text_pad(&text, 2);
    text_styled(&text, c->opts.color, style, word);
    if (p->skipped) {
        buf_adds(&text, ": ");
        text_add(&text, p->skipped);
    }
    buf_addc(&text, '\n');
    print(c, &text);
    if (c->opts.github) {
        github_group_end(&end);
        terminal_write(&end);
        buf_free(&end);
    }
}

static void github_end(struct console *c, const struct run_result *r)
{
    const char *summary = getenv("GITHUB_STEP_SUMMARY"), *outputs = getenv("GITHUB_OUTPUT");
    struct buf text = {0};

    github_annotations(r, &text);
    terminal_write(&text);
    if (summary && *summary) {
        summary_markdown(r, &text);
        terminal_append(summary, &text);
    }
    if (outputs && *outputs) {
        github_outputs(r, c->token, &text);
        terminal_append(outputs, &text);
    }
    buf_free(&text);
}

static void on_run_end(void *ctx, const struct run_result *r)
{
    struct console *c = ctx;
    struct buf text = {0};

    buf_addc(&text, '\n');
    summary_text(r, c->opts.color, &text);
    print(c, &text);
    if (c->opts.github)
        github_end(c, r);
}

struct observer *console_observer(const struct console_opts *o, struct arena *arena)
{
    struct console *c = arena_new(arena, struct console);

    c->opts = *o;
    c->arena = arena;
    github_token(c->token);
    c->observer = (struct observer){.ctx = c, .run_end = on_run_end};
    if (!o->quiet) {
        c->observer.run_begin = on_run_begin;
        c->observer.note = on_note;
        c->observer.phase_begin = on_phase_begin;
        c->observer.tick = on_tick;
        c->observer.phase_end = on_phase_end;
    }
    return &c->observer;
}
