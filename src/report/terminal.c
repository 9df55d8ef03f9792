#include "report/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "report/text.h"

static bool write_all(int fd, const struct buf *text)
{
    for (size_t at = 0; at < text->len;) {
        ssize_t n = write(fd, text->data + at, text->len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

void terminal_write(struct buf *text)
{
    write_all(STDERR_FILENO, text); /* there is nowhere left to tell that it failed */
    buf_clear(text);
}

void terminal_error(const char *fmt, ...)
{
    char line[1280];
    struct buf b = {0};
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_adds(&b, "shakedown: ");
    text_add(&b, line);
    buf_addc(&b, '\n');
    terminal_write(&b);
    buf_free(&b);
}

int terminal_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return TEXT_COLUMNS;
    return size.ws_col;
}

void terminal_append(const char *path, struct buf *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    if (fd < 0 || !write_all(fd, text))
        terminal_error("append to \"%s\": %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    buf_clear(text);
}
