#include "report/table.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define GAP 2

struct table_cell {
    char *text;
    int width;
    enum style style;
};

void table_add(struct table *t, const char *clean, enum style style)
{
    struct table_cell *c;

    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 32;
        t->cells = xrealloc(t->cells, (size_t)t->cap * sizeof(*t->cells));
    }
    c = &t->cells[t->count++];
    c->text = mem_check(strdup(clean ? clean : ""));
    c->width = text_width(c->text);
    c->style = style;
}

/* The widths of all columns; those of the rows that fit, if one cell is too long for a line. */
static void measure(const struct table *t, int room, int widths[TABLE_COLUMNS])
{
    int rest = 0;

    memset(widths, 0, sizeof(int) * TABLE_COLUMNS);
    for (int i = 0; i < t->count; i++)
        if (i % t->columns != 1 && t->cells[i].width > widths[i % t->columns])
            widths[i % t->columns] = t->cells[i].width;
    for (int i = 0; i < t->columns; i++)
        rest += widths[i] + (i ? GAP : 0);
    for (int i = 1; i < t->count; i += t->columns)
        if (t->cells[i].width > widths[1] && rest + t->cells[i].width <= room)
            widths[1] = t->cells[i].width;
}

static void print_row(const struct table_cell *row, const struct table *t, const int *widths,
                      int indent, bool color, struct buf *out)
{
    int due = indent; /* spaces before the next text; none are left at the end of a line */

    for (int i = 0; i < t->columns; i++) {
        int pad = widths[i] - row[i].width;
        bool left = t->left >> i & 1;

        if (pad < 0) {
            text_pad(out, due);
            text_styled(out, color, row[i].style, row[i].text);
            buf_addc(out, '\n');
            due = indent + widths[0] + GAP + widths[1] + GAP;
            continue;
        }
        due += left ? 0 : pad;
        if (row[i].width) {
            text_pad(out, due);
            text_styled(out, color, row[i].style, row[i].text);
            due = 0;
        }
        due += GAP + (left ? pad : 0);
    }
    buf_addc(out, '\n');
}

void table_print(struct table *t, int indent, bool color, struct buf *out)
{
    int widths[TABLE_COLUMNS];

    measure(t, TEXT_COLUMNS - indent, widths);
    for (int i = 0; i + t->columns <= t->count; i += t->columns)
        print_row(&t->cells[i], t, widths, indent, color, out);
    for (int i = 0; i < t->count; i++)
        free(t->cells[i].text);
    free(t->cells);
    t->cells = NULL;
    t->count = t->cap = 0;
}
