#include "cmd/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"
#include "target/nexus.h"

#define SECRET_MAX 65536
#define SECRET_ENV "HMAC_SECRET"

static const char *read_secret(const char *path, struct arena *arena, struct err *e)
{
    const char *text = NULL;
    struct buf b = {0};

    if (fs_read(path, SECRET_MAX, &b, e)) {
        text = arena_strndup(arena, buf_text(&b), b.len);
        if (b.len)
            explicit_bzero(b.data, b.len);
    }
    buf_free(&b);
    return text;
}

/* A hub may put anything into a reason. */
static void tell(const char *line)
{
    struct buf out = {0};

    redact(line, strlen(line), &out);
    printf("%s\n", buf_text(&out));
    fflush(stdout);
    buf_free(&out);
}

bool hub_init(struct nexus *n, struct nexus_opts *o, const char *secret_file, struct arena *arena,
              struct err *e)
{
    const char *secret = secret_file ? read_secret(secret_file, arena, e) : getenv(SECRET_ENV);

    if (!secret)
        return secret_file ? false
                           : err_set(e,
                                     "--nexus-url needs the secret that tokens are signed with: "
                                     "--secret-file, or %s in the environment",
                                     SECRET_ENV);
    n->tell = tell;
    o->attest.secret = secret;
    if (!nexus_init(n, o, arena, e))
        return false;
    redact_add(n->attest.key);
    return true;
}
