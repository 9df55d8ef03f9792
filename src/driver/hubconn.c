#include "driver/hubconn.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const char ping[] = "shakedown";

static void tell(struct hubconn *s, enum hubconn_event what)
{
    static const struct http1_span nothing = {"", 0};

    s->event(s, what, &nothing);
}

static void send_token(struct hubconn *s, enum attest_stage stage, const char *nonce)
{
    struct buf token = {0};

    attest_token(s->attest, stage, nonce, wall_ns() / NS_PER_S, &token);
    wsconn_send(&s->ws, WS_TEXT, token.data, token.len);
    buf_free(&token);
    if (stage == STAGE_0)
        return;
    s->asked_ns = now_ns();
    wsconn_send(&s->ws, WS_PING, ping, sizeof(ping) - 1);
}

static void welcome(struct hubconn *s)
{
    s->accepted = true;
    s->accepted_ns = now_ns();
    tell(s, HUB_ACCEPTED);
}

static void upgraded(struct hubconn *s)
{
    if (s->attest)
        send_token(s, STAGE_0, "");
    tell(s, HUB_OPEN);
    if (!s->attest && wsconn_is_open(&s->ws))
        welcome(s);
}

static void pong(struct hubconn *s, const struct http1_span *data)
{
    if (!s->asked_ns || data->len != sizeof(ping) - 1 || memcmp(data->data, ping, data->len) != 0)
        return;
    s->reauth_ns = now_ns() - s->asked_ns;
    s->asked_ns = 0;
    if (!s->accepted) {
        welcome(s);
        return;
    }
    s->reauths++;
    tell(s, HUB_REAUTHED);
}

static void end(struct hubconn *s, enum hubconn_end how)
{
    s->end = how;
    tell(s, HUB_ENDED);
}

static void break_off(struct hubconn *s, const char *why)
{
    wsconn_drop(&s->ws);
    snprintf(s->ws.error.why, sizeof(s->ws.error.why), "%s", why);
    end(s, END_PROTOCOL);
}

static void text(struct hubconn *s, const struct http1_span *data)
{
    char nonce[NONCE_MAX + 1];
    enum challenge c = attest_challenge(data->data, data->len, nonce);

    if (!s->attest)
        return;
    if (c == CHALLENGE_HANDSHAKE && s->stage == STAGE_0) {
        s->stage = STAGE_1;
        send_token(s, STAGE_1, nonce);
    } else if (c == CHALLENGE_REAUTH && s->stage == STAGE_1) {
        if (s->attest->reauth != REAUTH_IGNORE)
            send_token(s, STAGE_REAUTH, nonce);
    } else {
        break_off(s, c == CHALLENGE_NONE ? "the hub sent text that is no challenge"
                                         : "the hub sent a challenge out of turn");
    }
}

static void failed(struct hubconn *s)
{
    if (s->ws.status)
        end(s, END_REFUSED);
    else if (s->ws.broke)
        end(s, END_PROTOCOL);
    else
        end(s, s->ws.code == WS_CODE_UNSENT ? END_UNSENT : END_FAULT);
}

static void on_event(struct wsconn *c, enum wsconn_event what, const struct http1_span *data)
{
    struct hubconn *s = (struct hubconn *)c;

    switch (what) {
    case WSCONN_OPEN:
        upgraded(s);
        break;
    case WSCONN_TEXT:
        text(s, data);
        break;
    case WSCONN_BINARY:
        s->event(s, HUB_MESSAGE, data);
        break;
    case WSCONN_PONG:
        pong(s, data);
        break;
    case WSCONN_WRITABLE:
        tell(s, HUB_WRITABLE);
        break;
    case WSCONN_CLOSED:
        end(s, END_CLOSED);
        break;
    case WSCONN_FAILED:
        failed(s);
        break;
    }
}

void hubconn_open(struct hubconn *s, unsigned turn, uint64_t now)
{
    s->ws.event = on_event;
    s->accepted = false;
    s->accepted_ns = s->reauth_ns = s->asked_ns = 0;
    s->reauths = 0;
    s->stage = STAGE_0;
    wsconn_open(&s->ws, turn, now);
}

const char *hubconn_words(const struct hubconn *s, char buf[HUB_WORDS])
{
    const struct wsconn *w = &s->ws;

    if (s->end == END_CLOSED && w->code == 0)
        snprintf(buf, HUB_WORDS, "closed without a code");
    else if (s->end == END_CLOSED)
        snprintf(buf, HUB_WORDS, "closed with %u%s%s%s", (unsigned)w->code,
                 w->reason[0] ? " (" : "", w->reason, w->reason[0] ? ")" : "");
    else if (s->end == END_REFUSED)
        snprintf(buf, HUB_WORDS, "the upgrade was answered with status %d", w->status);
    else
        snprintf(buf, HUB_WORDS, "%s", w->error.why);
    return buf;
}
