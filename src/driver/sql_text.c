#include "driver/sql_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define FIRST_WORDS   5
#define MAX_PARAMS    1000
#define MAX_STATEMENT (64 << 20)

enum token { T_END, T_SPACE, T_QUOTED, T_WORD, T_PARAM, T_BACKSLASH, T_OTHER };

struct lexer {
    const struct sql_input *in;
    const char *p, *end; /* what is left */
    int line;            /* of `p` */
    char before;         /* the byte before `p` */
    const char *open;    /* what a quote or comment that does not end is called; or NULL */
    int open_line;
};

struct word {
    const char *text;
    size_t len;
};

struct splitter {
    struct lexer lex;
    struct arena *arena;
    struct sql_script *out;
    int cap;
    struct buf text; /* of the statement so far, as sent */
    int params[MAX_PARAMS], param_count;
    int line; /* where the statement begins; 0: it has not */
    struct word first[FIRST_WORDS];
    int words, parens, blocks; /* open ones; blocks of a routine's body */
};

static bool is_word_start(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_word_byte(char c)
{
    return is_word_start(c) || isdigit((unsigned char)c) || c == '$';
}

static size_t left(const struct lexer *x)
{
    return (size_t)(x->end - x->p);
}

static bool at(const struct lexer *x, const char *s)
{
    return left(x) >= strlen(s) && memcmp(x->p, s, strlen(s)) == 0;
}

static void skip(struct lexer *x, size_t n)
{
    for (; n > 0; n--) {
        x->line += *x->p == '\n';
        x->before = *x->p++;
    }
}

static void leave_open(struct lexer *x, const char *what, int line)
{
    x->open = what;
    x->open_line = line;
}

/* From the opening quote to behind the closing one, which doubled stands for itself. */
static void skip_quoted(struct lexer *x, char close, bool escapes, const char *what)
{
    int line = x->line;

    skip(x, 1);
    while (x->p < x->end) {
        if (escapes && *x->p == '\\' && left(x) > 1)
            skip(x, 2);
        else if (*x->p != close)
            skip(x, 1);
        else if (close != ']' && left(x) > 1 && x->p[1] == close)
            skip(x, 2);
        else {
            skip(x, 1);
            return;
        }
    }
    leave_open(x, what, line);
}

static void skip_comment(struct lexer *x)
{
    int line = x->line, depth = 1;

    skip(x, 2);
    while (x->p < x->end && depth > 0) {
        bool opens = x->in->dialect == SQL_POSTGRES && at(x, "/*"), closes = at(x, "*/");

        depth += opens - closes;
        skip(x, opens || closes ? 2 : 1);
    }
    if (depth > 0 && x->in->dialect == SQL_POSTGRES)
        leave_open(x, "comment", line);
}

/* The length of "$tag$" at `p`; 0 if that is something else. */
static size_t dollar_tag(const struct lexer *x)
{
    size_t n = 1;

    if (x->in->dialect != SQL_POSTGRES || *x->p != '$' || is_word_byte(x->before))
        return 0;
    while (n < left(x) &&
           (n == 1 ? is_word_start(x->p[n]) : is_word_byte(x->p[n]) && x->p[n] != '$'))
        n++;
    return n < left(x) && x->p[n] == '$' ? n + 1 : 0;
}

static void skip_dollars(struct lexer *x, size_t tag)
{
    const char *open = x->p, *close;
    int line = x->line;

    skip(x, tag);
    close = memmem(x->p, left(x), open, tag);
    if (close) {
        skip(x, (size_t)(close - x->p) + tag);
        return;
    }
    skip(x, left(x));
    leave_open(x, "dollar-quoted text", line);
}

static enum token skip_word(struct lexer *x)
{
    const char *begin = x->p;

    while (x->p < x->end && is_word_byte(*x->p))
        skip(x, 1);
    if (x->in->dialect == SQL_POSTGRES && x->p - begin == 1 && (*begin == 'e' || *begin == 'E') &&
        x->p < x->end && *x->p == '\'') {
        skip_quoted(x, '\'', true, "quoted text");
        return T_QUOTED;
    }
    return T_WORD;
}

/* A colon behind a value is that of an array's slice, and two are a cast. */
static bool is_param(const struct lexer *x)
{
    char b = x->before;

    return *x->p == ':' && left(x) > 1 && is_word_start(x->p[1]) && b != ':' && b != ']' &&
           b != ')' && b != '"' && b != '\'' && !is_word_byte(b);
}

static enum token skip_param(struct lexer *x)
{
    skip(x, 1);
    while (x->p < x->end && is_word_byte(*x->p) && *x->p != '$')
        skip(x, 1);
    return T_PARAM;
}

static enum token skip_space(struct lexer *x)
{
    while (x->p < x->end && isspace((unsigned char)*x->p))
        skip(x, 1);
    return T_SPACE;
}

static enum token skip_line(struct lexer *x)
{
    while (x->p < x->end && *x->p != '\n')
        skip(x, 1);
    return T_SPACE;
}

static enum token skip_one(struct lexer *x)
{
    bool cast = at(x, "::");

    skip(x, cast ? 2 : 1);
    return T_OTHER;
}

static enum token next(struct lexer *x)
{
    bool lite = x->in->dialect == SQL_SQLITE;
    size_t tag;

    if (x->p == x->end)
        return T_END;
    if (isspace((unsigned char)*x->p))
        return skip_space(x);
    if (at(x, "--"))
        return skip_line(x);
    if (at(x, "/*")) {
        skip_comment(x);
        return T_SPACE;
    }
    if (*x->p == '\'' || *x->p == '"' || (lite && (*x->p == '`' || *x->p == '['))) {
        skip_quoted(x, *x->p == '[' ? ']' : *x->p, false,
                    *x->p == '\'' ? "quoted text" : "quoted name");
        return T_QUOTED;
    }
    tag = dollar_tag(x);
    if (tag > 0) {
        skip_dollars(x, tag);
        return T_QUOTED;
    }
    if (is_param(x))
        return skip_param(x);
    if (is_word_byte(*x->p) && *x->p != '$')
        return skip_word(x);
    return *x->p == '\\' ? T_BACKSLASH : skip_one(x);
}

static bool word_is(const struct word *w, const char *text)
{
    return w->len == strlen(text) && strncasecmp(w->text, text, w->len) == 0;
}

static bool word_in(const struct word *w, const char *const *list)
{
    for (; *list; list++)
        if (word_is(w, *list))
            return true;
    return false;
}

/* ROLLBACK TO goes back to a savepoint and leaves the transaction open. */
static bool ends_transaction(const struct splitter *s)
{
    static const char *const words[] = {"begin", "commit", "end", "abort", "start", NULL};
    int n = s->words < FIRST_WORDS ? s->words : FIRST_WORDS;

    if (n == 0)
        return false;
    if (word_in(&s->first[0], words))
        return true;
    if (word_is(&s->first[0], "prepare"))
        return n > 1 && word_is(&s->first[1], "transaction");
    for (int i = 1; i < n; i++)
        if (word_is(&s->first[i], "to"))
            return false;
    return word_is(&s->first[0], "rollback");
}

/* The bodies of routines and triggers, BEGIN ... END, have semicolons of their own. */
static void count_blocks(struct splitter *s, const struct word *w)
{
    static const char *const kinds[] = {"function", "procedure", "trigger", NULL};
    int n = s->words < FIRST_WORDS ? s->words : FIRST_WORDS;
    bool routine = false;

    for (int i = 1; i < n; i++)
        routine |= word_in(&s->first[i], kinds);
    if (!routine || !word_is(&s->first[0], "create"))
        return;
    if (word_is(w, "begin") || (s->blocks > 0 && word_is(w, "case")))
        s->blocks++;
    else if (s->blocks > 0 && word_is(w, "end"))
        s->blocks--;
}

static void add_word(struct splitter *s, const char *text, size_t len)
{
    struct word w = {text, len};

    if (s->words < FIRST_WORDS)
        s->first[s->words] = w;
    s->words++;
    count_blocks(s, &w);
}

/* What follows a COPY from the client is its data, and no SQL. */
static bool copies_from_client(const struct splitter *s, const char *text, size_t len)
{
    const struct word w = {text, len};

    return s->lex.in->dialect == SQL_POSTGRES && s->parens == 0 && s->words > 1 &&
           word_is(&s->first[0], "copy") && (word_is(&w, "stdin") || word_is(&w, "stdout"));
}

static bool fail(const struct splitter *s, int line, struct err *e, const char *what)
{
    return err_set(e, "%s:%d: %s", s->lex.in->source, line, what);
}

static bool add_param(struct splitter *s, const char *text, size_t len, int line, struct err *e)
{
    const struct sql_input *in = s->lex.in;
    int name = 0, place = 0;

    while (name < in->name_count &&
           (strlen(in->names[name]) != len || memcmp(in->names[name], text, len) != 0))
        name++;
    if (name == in->name_count)
        return err_set(e, "%s:%d: no param \"%.*s\" (declare it under `params:`)", in->source, line,
                       len > 60 ? 60 : (int)len, text);
    while (place < s->param_count && s->params[place] != name)
        place++;
    if (place == MAX_PARAMS)
        return fail(s, line, e, "a statement has too many params");
    if (place == s->param_count)
        s->params[s->param_count++] = name;
    buf_printf(&s->text, "%c%d", in->dialect == SQL_POSTGRES ? '$' : '?', place + 1);
    return true;
}

/* Without the blanks behind it; nothing, if there were only blanks and comments. */
static void end_statement(struct splitter *s)
{
    struct sql_statement *st;
    int *params;

    if (s->line > 0) {
        if (s->out->n == s->cap) {
            struct sql_statement *more;

            s->cap = s->cap ? s->cap * 2 : 8;
            more = arena_array(s->arena, struct sql_statement, s->cap);
            if (s->out->n)
                memcpy(more, s->out->v, sizeof(*more) * (size_t)s->out->n);
            s->out->v = more;
        }
        st = &s->out->v[s->out->n++];
        params = arena_array(s->arena, int, s->param_count);
        if (s->param_count)
            memcpy(params, s->params, sizeof(*params) * (size_t)s->param_count);
        *st = (struct sql_statement){arena_strndup(s->arena, buf_text(&s->text), s->text.len),
                                     params,
                                     s->param_count,
                                     s->lex.in->source,
                                     s->line,
                                     ends_transaction(s)};
    }
    buf_clear(&s->text);
    s->param_count = s->line = s->words = s->parens = s->blocks = 0;
}

static bool refuse_command(const struct splitter *s, struct err *e)
{
    const struct lexer *x = &s->lex;
    int len = 1;

    while ((size_t)len < left(x) && len < 20 && isalpha((unsigned char)x->p[len]))
        len++;
    return err_set(e, "%s:%d: \"%.*s\" is a command of psql, not SQL", x->in->source, x->line, len,
                   x->p);
}

static bool add_token(struct splitter *s, enum token t, const char *begin, int line, struct err *e)
{
    size_t len = (size_t)(s->lex.p - begin);

    if (t == T_SPACE) {
        if (s->line > 0)
            buf_add(&s->text, begin, len);
        return true;
    }
    if (t == T_OTHER && *begin == ';' && s->parens == 0 && s->blocks == 0) {
        end_statement(s);
        return true;
    }
    if (s->line == 0)
        s->line = line;
    if (t == T_PARAM)
        return add_param(s, begin + 1, len - 1, line, e);
    if (t == T_WORD)
        add_word(s, begin, len);
    if (t == T_WORD && copies_from_client(s, begin, len))
        return fail(
            s, s->line, e,
            "COPY from or to the client is not for a suite: use INSERT (pg_dump --inserts), "
            "or COPY with a file on the server");
    s->parens += t == T_OTHER && *begin == '(';
    s->parens -= t == T_OTHER && *begin == ')' && s->parens > 0;
    buf_add(&s->text, begin, len);
    return true;
}

static bool split(struct splitter *s, struct err *e)
{
    struct lexer *x = &s->lex;

    for (;;) {
        const char *begin = x->p;
        int line = x->line;
        enum token t = next(x);

        if (t == T_END)
            break;
        if (t == T_BACKSLASH)
            return refuse_command(s, e);
        if (x->open)
            return err_set(e, "%s:%d: the %s that begins here does not end", x->in->source,
                           x->open_line, x->open);
        if (!add_token(s, t, begin, line, e))
            return false;
    }
    end_statement(s);
    return true;
}

bool sql_split(struct sql_script *out, const struct sql_input *in, struct arena *arena,
               struct err *e)
{
    struct splitter *s = xcalloc(1, sizeof(*s));
    bool ok;

    *out = (struct sql_script){0};
    s->lex = (struct lexer){.in = in, .p = in->text, .end = in->text + in->len, .line = 1};
    s->arena = arena;
    s->out = out;
    if (in->len >= 3 && memcmp(in->text, "\xef\xbb\xbf", 3) == 0)
        s->lex.p += 3;
    if (in->len > MAX_STATEMENT)
        ok = err_set(e, "%s: too large (at most 64 MiB)", in->source);
    else if (in->len > 0 && memchr(in->text, '\0', in->len))
        ok = err_set(e, "%s: is no text: it has a NUL byte", in->source);
    else
        ok = split(s, e);
    buf_free(&s->text);
    free(s);
    return ok;
}

int sql_line(const struct sql_statement *s, size_t offset)
{
    int line = s->line;

    for (size_t i = 0; i < offset && s->text[i]; i++)
        line += s->text[i] == '\n';
    return line;
}
