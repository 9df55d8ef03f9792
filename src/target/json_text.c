#include "target/json_text.h"

#include "base/buf.h"

void json_add_text(struct buf *out, const char *text)
{
    buf_addc(out, '"');
    for (const char *p = text ? text : ""; *p;) {
        size_t plain = 0;

        while ((unsigned char)p[plain] >= 0x20 && p[plain] != '"' && p[plain] != '\\')
            plain++;
        buf_add(out, p, plain);
        p += plain;
        if (*p == '"' || *p == '\\')
            buf_printf(out, "\\%c", *p++);
        else if (*p)
            buf_printf(out, "\\u%04x", (unsigned char)*p++);
    }
    buf_addc(out, '"');
}

void json_add_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_add_text(out, text);
}

void json_add_row(struct buf *out, const char *const *names, const char *const *texts)
{
    buf_printf(out, "%s{\"%s\":", out->len ? "," : "", names[0]);
    json_add_text(out, texts[0]);
    for (int i = 1; names[i]; i++)
        json_add_member(out, names[i], texts[i]);
}
