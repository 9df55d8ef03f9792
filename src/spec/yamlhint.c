#include "spec/yamlhint.h"

#include <string.h>

struct pos yaml_place(const char *text, size_t offset)
{
    struct pos at = {1, 1};

    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n')
            at = (struct pos){at.line + 1, 1};
        else if (((unsigned char)text[i] & 0xc0) != 0x80)
            at.col++;
    }
    return at;
}

/* The byte at a position, whose columns count characters; 0 beyond the end. */
static size_t offset_of(const struct yaml_problem *p, struct pos at)
{
    size_t i = 0;

    for (int line = 1; line < at.line; line++) {
        const char *eol = memchr(p->text + i, '\n', p->len - i);

        if (!eol)
            return p->len;
        i = (size_t)(eol - p->text) + 1;
    }
    for (int col = 1; col < at.col && i < p->len; col++) {
        do
            i++;
        while (i < p->len && ((unsigned char)p->text[i] & 0xc0) == 0x80);
    }
    return i;
}

static char char_at(const struct yaml_problem *p, struct pos at)
{
    size_t i = offset_of(p, at);

    return i < p->len ? p->text[i] : '\0';
}

static bool says(const char *text, const char *part)
{
    return text && strstr(text, part);
}

static bool is_visible(char c)
{
    return c > ' ' && c < 0x7f;
}

static bool explain_tab(struct diags *d, const struct yaml_problem *p)
{
    if (!says(p->problem, "tab") && char_at(p, p->at) != '\t')
        return false;
    diag_add(d, p->at, "a tab cannot stand here; indent with spaces");
    return true;
}

/* `{url: ${url}}`: to YAML the value is "$", and a map begins inside the map. */
static bool explain_braces(struct diags *d, const struct yaml_problem *p)
{
    size_t i = offset_of(p, p->at);

    if (!says(p->context, "flow") || i == 0 || i >= p->len || p->text[i] != '{' ||
        (p->text[i - 1] != '$' && p->text[i - 1] != '%'))
        return false;
    diag_add(d, (struct pos){p->at.line, p->at.col - 1},
             "quote this value: inside {} or [] the brace of \"%c{\" begins a map", p->text[i - 1]);
    return true;
}

/* A value that begins with a character that YAML keeps for itself. */
static bool explain_indicator(struct diags *d, const struct yaml_problem *p)
{
    static const struct {
        const char *context, *begins;
        char indicator;
    } scans[] = {
        {"scanning an alias", "an alias", '*'},
        {"scanning an anchor", "an anchor", '&'},
        {"scanning a block scalar", "a block of text", 0},
        {"scanning a tag", "a tag", '!'},
        {"parsing a tag", "a tag", '!'},
        {"scanning a directive", "a directive", '%'},
    };

    if (says(p->problem, "cannot start any token") && is_visible(char_at(p, p->at))) {
        diag_add(d, p->at, "a value cannot begin with \"%c\": quote this value", char_at(p, p->at));
        return true;
    }
    for (size_t i = 0; i < sizeof(scans) / sizeof(scans[0]); i++) {
        char c = scans[i].indicator ? scans[i].indicator : char_at(p, p->context_at);

        if (!says(p->context, scans[i].context) || !is_visible(c))
            continue;
        diag_add(d, p->context_at, "\"%c\" begins %s: quote this value if it is text", c,
                 scans[i].begins);
        return true;
    }
    return false;
}

static bool explain_quotes(struct diags *d, const struct yaml_problem *p)
{
    if (!says(p->context, "quoted scalar"))
        return false;
    if (says(p->problem, "end of stream") || says(p->problem, "document indicator"))
        diag_add(d, p->context_at, "this quote is never closed");
    else if (says(p->problem, "escape"))
        diag_add(
            d, p->at,
            "unknown escape: in double quotes write \\\\ for a backslash, or use single quotes");
    else
        return false;
    return true;
}

static bool explain_structure(struct diags *d, const struct yaml_problem *p)
{
    int began = p->context_at.line;

    if (says(p->problem, "mapping values are not allowed"))
        diag_add(d, p->at,
                 "a \": \" cannot stand here: quote this value, or check the indentation");
    else if (says(p->problem, "expected ':'"))
        diag_add(d, p->context_at, "expected \"key: value\": is a \":\" or a quote missing?");
    else if (says(p->problem, "expected key"))
        diag_add(d, p->at, "expected a key of the map that began on line %d: check the indentation",
                 began);
    else if (says(p->problem, "'-' indicator"))
        diag_add(d, p->at,
                 "expected \"- \" of the list that began on line %d: check the indentation", began);
    else if (says(p->problem, "',' or '}'"))
        diag_add(d, p->at, "expected \",\" or the \"}\" of the \"{\" on line %d", began);
    else if (says(p->problem, "',' or ']'"))
        diag_add(d, p->at, "expected \",\" or the \"]\" of the \"[\" on line %d", began);
    else
        return false;
    return true;
}

void yaml_explain(struct diags *d, const struct yaml_problem *p)
{
    if (explain_braces(d, p) || explain_quotes(d, p) || explain_tab(d, p) ||
        explain_indicator(d, p) || explain_structure(d, p))
        return;
    diag_add(d, p->at, "not valid YAML: %s", p->problem);
}
