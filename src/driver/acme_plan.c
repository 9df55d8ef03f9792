/*
 * acme_plan.c - what an operation goes through, as users write it.
 *
 * Parts that another one needs and that nobody has asked for happen all the same: a directory once
 * for each lane, an account once for each that is to have one.
 */
#include <string.h>

#include "base/arena.h"
#include "base/units.h"
#include "driver/acme.h"

const char *const acme_part_names[ACME_PARTS + 1] = {
    [ACME_DIRECTORY] = "directory",
    [ACME_NONCE] = "nonce",
    [ACME_RENEWAL_INFO] = "renewal-info",
    [ACME_NEW_ACCOUNT] = "new-account",
    [ACME_NEW_ORDER] = "new-order",
    [ACME_AUTHORIZATIONS] = "authorizations",
    [ACME_CHALLENGES] = "challenges",
    [ACME_FINALIZE] = "finalize",
    [ACME_DOWNLOAD] = "download",
    [ACME_REVOKE] = "revoke",
    [ACME_KEY_CHANGE] = "key-change",
    [ACME_DEACTIVATE] = "deactivate",
    NULL,
};

static const enum acme_part usual[] = {ACME_NEW_ORDER, ACME_AUTHORIZATIONS, ACME_CHALLENGES,
                                       ACME_FINALIZE, ACME_DOWNLOAD};

/* The part that has to come before; ACME_PARTS: none. */
static enum acme_part needed_by(enum acme_part part)
{
    switch (part) {
    case ACME_AUTHORIZATIONS:
    case ACME_FINALIZE:
        return ACME_NEW_ORDER;
    case ACME_CHALLENGES:
        return ACME_AUTHORIZATIONS;
    case ACME_DOWNLOAD:
        return ACME_FINALIZE;
    case ACME_REVOKE:
        return ACME_DOWNLOAD;
    default:
        return ACME_PARTS;
    }
}

static bool is_signed(enum acme_part part)
{
    return part >= ACME_NEW_ACCOUNT;
}

bool acme_plan_has(const struct acme_plan *p, enum acme_part part)
{
    for (int i = 0; i < p->count; i++)
        if (p->parts[i] == part)
            return true;
    return false;
}

struct planner {
    struct acme_plan *p;
    const struct acme_opts *o;
    const char *path;
    struct pos at;
    struct diags *d;
};

static enum acme_part part_of(const char *name)
{
    int i = 0;

    while (i < ACME_PARTS && strcmp(acme_part_names[i], name) != 0)
        i++;
    return (enum acme_part)i;
}

static void add(struct planner *r, const char *name, double weight, const char *key, struct pos at)
{
    enum acme_part part = part_of(name);
    char hint[OPT_HINT_MAX];

    if (part == ACME_PARTS)
        diag_add(r->d, at, "%s.%s: there is no part \"%s\"%s", r->path, key, name,
                 opt_hint(name, acme_part_names, "", hint));
    else if (acme_plan_has(r->p, part))
        diag_add(r->d, at, "%s.%s: \"%s\" stands there twice", r->path, key, name);
    else {
        r->p->parts[r->p->count] = part;
        r->p->weights[r->p->count++] = weight;
    }
}

static void read_mix(struct planner *r, const struct node *mix)
{
    int64_t weight;

    if (mix->type != NODE_MAP || mix->count == 0) {
        diag_add(r->d, mix->at, "%s.mix: expected a map from parts to weights", r->path);
        return;
    }
    for (const struct node *n = mix->first; n; n = n->next) {
        if (n->type != NODE_SCALAR || !units_int(n->text, &weight) || weight < 1)
            diag_add(r->d, n->at, "%s.mix.%s: a weight is a number from 1", r->path, n->key);
        else
            add(r, n->key, (double)weight, "mix", n->key_at);
    }
    for (int i = 0; i < r->p->count; i++)
        if (is_signed(r->p->parts[i]))
            diag_add(r->d, mix->at,
                     "%s.mix: \"%s\" is part of a conversation and belongs into parts", r->path,
                     acme_part_names[r->p->parts[i]]);
}

static void read_parts(struct planner *r)
{
    const struct texts *parts = &r->o->parts;

    for (int i = 0; i < parts->n; i++)
        add(r, parts->v[i], 1, "parts", r->at);
    for (size_t i = 0; parts->n == 0 && i < sizeof(usual) / sizeof(usual[0]); i++)
        r->p->parts[r->p->count++] = usual[i];
}

static void check_order(struct planner *r)
{
    bool seen[ACME_PARTS + 1] = {[ACME_PARTS] = true};

    for (int i = 0; i < r->p->count; i++) {
        enum acme_part part = r->p->parts[i], before = needed_by(part);

        if (!seen[before])
            diag_add(r->d, r->at, "%s.parts: \"%s\" needs \"%s\" before it", r->path,
                     acme_part_names[part], acme_part_names[before]);
        if (seen[ACME_DEACTIVATE] && is_signed(part))
            diag_add(r->d, r->at, "%s.parts: nothing that is signed can follow \"deactivate\"",
                     r->path);
        if (part == ACME_RENEWAL_INFO && !r->o->cert_id && !seen[ACME_DOWNLOAD])
            diag_add(r->d, r->at,
                     "%s.cert_id: whose renewal is asked for? (or let \"download\" come before "
                     "\"renewal-info\")",
                     r->path);
        seen[part] = true;
    }
}

static void check_account(struct planner *r)
{
    const struct acme_opts *o = r->o;

    if (o->key && o->account != ACCOUNT_SHARED)
        diag_add(r->d, r->at, "%s.key: one key is one account (account: shared)", r->path);
    if (o->only_existing && !o->key)
        diag_add(r->d, r->at, "%s.only_existing: a key made for the run has no account (give key)",
                 r->path);
    if (o->external_account.given && (!o->external_account.kid || !o->external_account.key))
        diag_add(r->d, r->at, "%s.external_account: kid and key go together", r->path);
    if (o->account == ACCOUNT_SHARED &&
        (acme_plan_has(r->p, ACME_KEY_CHANGE) || acme_plan_has(r->p, ACME_DEACTIVATE)))
        diag_add(r->d, r->at,
                 "%s.account: while one operation changes or ends a shared account, others use it "
                 "(account: vu or new)",
                 r->path);
}

static void check_challenges(struct planner *r)
{
    if (r->o->responder && !acme_plan_has(r->p, ACME_CHALLENGES))
        diag_add(r->d, r->at, "%s.responder: without \"challenges\" nothing is answered", r->path);
    if (!r->o->names && acme_plan_has(r->p, ACME_NEW_ORDER))
        diag_add(r->d, r->at, "%s.names: what is the certificate to be for?", r->path);
}

/* Declared are the parts that can happen, in the order of the protocol. */
static void declare(struct acme_plan *p)
{
    bool can[ACME_PARTS] = {false};

    for (int i = 0; i < p->count; i++) {
        can[p->parts[i]] = can[ACME_DIRECTORY] = true;
        can[ACME_NONCE] |= is_signed(p->parts[i]);
        can[ACME_NEW_ACCOUNT] |= is_signed(p->parts[i]);
    }
    for (int i = 0; i < ACME_PARTS; i++) {
        if (!can[i])
            continue;
        p->names[p->name_count++] = acme_part_names[i];
        p->index[i] = p->name_count;
    }
}

bool acme_plan_make(struct acme_plan *p, const struct acme_opts *o, const struct node *at,
                    const char *path, struct diags *d)
{
    struct planner r = {p, o, path, at ? at->at : (struct pos){0}, d};
    int before = d->errors;

    *p = (struct acme_plan){.mixed = o->mix != NULL};
    if (o->mix && o->parts.n)
        diag_add(d, o->mix->at, "%s: an operation goes through parts, or is one of a mix", path);
    else if (o->mix)
        read_mix(&r, o->mix);
    else
        read_parts(&r);
    if (!o->mix)
        check_order(&r);
    else if (acme_plan_has(p, ACME_RENEWAL_INFO) && !o->cert_id)
        diag_add(d, r.at, "%s.cert_id: whose renewal is asked for?", path);
    check_account(&r);
    check_challenges(&r);
    declare(p);
    return d->errors == before;
}
