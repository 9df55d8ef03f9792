/*
 * certctl_schema.c - the tables of the certctl surface, from the file that the seeds are made for,
 * and what the two databases have to be told apart.
 */
#include "target/certctl_state.h"
#include "target/state.h"

/* The text of the file, with a NUL behind it. */
extern const char certctl_tables[];
__asm__(".pushsection .rodata\n"
        "certctl_tables:\n"
        ".incbin \"fixtures/seed/schema.sql\"\n"
        ".byte 0\n"
        ".popsection\n");

static const char postgres[] =
    "create or replace function audit_is_kept() returns trigger language plpgsql as $$\n"
    "begin raise exception 'audit_events is append-only'; end $$;\n"
    "create or replace trigger audit_is_kept before update or delete on audit_events\n"
    "for each row execute function audit_is_kept();\n";

static const char sqlite[] =
    "create trigger if not exists audit_is_kept_whole before delete on audit_events\n"
    "begin select raise(abort, 'audit_events is append-only'); end;\n"
    "create trigger if not exists audit_is_kept before update on audit_events\n"
    "begin select raise(abort, 'audit_events is append-only'); end;\n";

bool certctl_create(struct state *s, struct err *e)
{
    struct state_schema schema = {.source = "fixtures/seed/schema.sql",
                                  .both = certctl_tables,
                                  .postgres = postgres,
                                  .sqlite = sqlite};

    return state_create(s, &schema, e);
}
