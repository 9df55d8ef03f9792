/*
 * junit.c - the run as JUnit XML, for the many programs that read it and do not agree on what it
 * is.
 *
 * `strict` is the intersection of the two published schemas: no attributes on the root, the whole
 * attribute set of Ant's on each suite, times with three decimals, at most one result in a testcase
 * and output at the level of the suite alone.  `ci` adds what forges and annotators look for and
 * the schemas refuse: totals on the root, and file and line on each testcase.
 *
 * One suite for each phase and one testcase for each finding.  There is never a suite without a
 * testcase, and the document as a whole agrees with the exit code: where no finding accounts for it
 * (such as an interruption between two phases), the suite "run" does.  The host is always called
 * "localhost", so that the same run gives the same bytes on any machine.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <libxml/xmlwriter.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/files.h"
#include "report/sizes_report.h"
#include "report/text.h"
#include "run/result.h"

const char *const junit_dialects[] = {"ci", "strict", NULL};

struct junit_case {
    const char *name, *message, *type;
    enum finding_state state;
    bool warn;
    double seconds;
    int line;
    const struct finding *finding; /* for its evidence; or NULL */
};

struct junit_suite {
    const char *name;
    uint64_t started_wall_ns, elapsed_ns;
    struct junit_case *cases;
    int count, cap;
    int failures, errors, skipped;
    const char *output;               /* of a failed service; or NULL */
    const struct phase_result *phase; /* or NULL */
};

struct junit {
    const struct run_result *r;
    enum junit_dialect dialect;
    xmlTextWriter *xml;
    struct junit_suite *suites; /* phase_count + 2 at most */
    int count;
};

static const xmlChar *x(const char *s)
{
    return (const xmlChar *)s;
}

/* Text from elsewhere: cleaned, which also takes out what XML 1.0 (2.2) does not allow. */
static void attr(struct junit *j, const char *name, const char *value)
{
    struct buf b = {0};

    text_add(&b, value);
    xmlTextWriterWriteAttribute(j->xml, x(name), x(buf_text(&b)));
    buf_free(&b);
}

static void attr_int(struct junit *j, const char *name, long value)
{
    char text[32];

    snprintf(text, sizeof(text), "%ld", value);
    attr(j, name, text);
}

static void attr_seconds(struct junit *j, double seconds)
{
    char text[64];

    snprintf(text, sizeof(text), "%.3f", seconds);
    attr(j, "time", text);
}

static void lines(struct junit *j, const char *s)
{
    struct buf b = {0};

    text_clean(s, strlen(s), true, &b);
    xmlTextWriterWriteString(j->xml, x(buf_text(&b)));
    buf_free(&b);
}

static struct junit_suite *suite_add(struct junit *j, const char *name)
{
    struct junit_suite *s = &j->suites[j->count++];

    s->name = name;
    s->started_wall_ns = j->r->started_wall_ns;
    return s;
}

static void case_add(struct junit_suite *s, const struct junit_case *c)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->cases = xrealloc(s->cases, (size_t)s->cap * sizeof(*s->cases));
    }
    s->cases[s->count++] = *c;
    s->failures += c->state == FOUND_BREACH && !c->warn;
    s->errors += c->state == FOUND_INCONCLUSIVE && !c->warn;
    s->skipped += c->state == FOUND_NOT_RUN;
}

static double seconds_of(const struct finding *f, const struct phase_result *p)
{
    if (!p || !p->steps || !f->step || f->kind == FINDING_THRESHOLD)
        return 0;
    for (int i = 0; i < p->phase->step_count; i++)
        if (strcmp(p->steps[i].step->name, f->step) == 0)
            return (double)p->steps[i].measured_ns / NS_PER_S;
    return 0;
}

static void findings_add(struct junit_suite *s, const struct finding *f,
                         const struct phase_result *p)
{
    for (; f; f = f->next) {
        struct junit_case c = {f->name, f->message,       f->type, f->state,
                               f->warn, seconds_of(f, p), f->line, f};

        case_add(s, &c);
    }
}

static void phase_add(struct junit *j, const struct phase_result *p)
{
    struct junit_suite *s = suite_add(j, p->phase->name);
    struct junit_case none = {.name = "executed",
                              .state = FOUND_NOT_RUN,
                              .message = p->skipped ? p->skipped : "not reached",
                              .line = p->phase->at.line};

    if (p->started_wall_ns)
        s->started_wall_ns = p->started_wall_ns;
    s->elapsed_ns = p->elapsed_ns;
    s->phase = p;
    findings_add(s, p->findings, p);
    if (s->count == 0)
        case_add(s, &none);
}

static void services_add(struct junit *j)
{
    const struct run_result *r = j->r;
    struct junit_suite *s;

    if (!r->findings && !r->service_count)
        return;
    s = suite_add(j, "services");
    findings_add(s, r->findings, NULL);
    for (int i = 0; i < r->service_count; i++) {
        const struct service_result *sv = &r->services[i];
        struct junit_case c = {
            .type = "infra", .message = sv->failure, .seconds = (double)sv->ready_ns / NS_PER_S};

        if (!sv->service)
            continue;
        if (sv->failure && sv->last_lines)
            s->output = sv->last_lines;
        if (r->findings)
            continue;
        c.name = sv->service->name;
        c.line = sv->service->at.line;
        c.state = sv->failure ? FOUND_INCONCLUSIVE : sv->started ? FOUND_PASS : FOUND_NOT_RUN;
        if (c.state == FOUND_NOT_RUN)
            c.message = "not started";
        case_add(s, &c);
    }
    if (s->count == 0)
        j->count--;
}

/* The case that accounts for an exit code which no finding does. */
static void run_add(struct junit *j)
{
    int code = text_exit_code(j->r), failures = 0, errors = 0, total = 0;
    struct junit_case c = {.name = "verdict", .message = text_headline(j->r)};

    for (int i = 0; i < j->count; i++) {
        total += j->suites[i].count;
        failures += j->suites[i].failures;
        errors += j->suites[i].errors;
    }
    if (total && (code == 0 || (code == 1 ? failures : failures + errors) > 0))
        return;
    c.state = code == 0 ? FOUND_PASS : code == 1 ? FOUND_BREACH : FOUND_INCONCLUSIVE;
    c.type = code == 1 ? "threshold" : j->r->interrupted ? "interrupted" : "inconclusive";
    case_add(suite_add(j, "run"), &c);
}

static void evidence_line(const struct finding *f, struct buf *out)
{
    const struct evidence *ev = &f->evidence;
    enum metric_unit unit;
    char text[UNITS_MAX];

    if (!f->threshold || !f->metric)
        return;
    unit = text_unit(f->threshold, f->metric);
    text_selector(out, f->threshold);
    buf_addc(out, ' ');
    text_add(out, f->threshold->text);
    buf_printf(out, ": observed %s", ev->has_value ? text_quantity(unit, ev->observed, text) : "-");
    buf_printf(out, ", limit %s", text_quantity(unit, f->threshold->limit, text));
    if (ev->has_value)
        buf_printf(out, ", margin %s", text_quantity(unit, ev->margin, text));
    buf_printf(out, ", n %s", units_print_count((double)ev->n, text));
    if (ev->has_interval) {
        buf_printf(out, ", interval %s", text_quantity(unit, ev->low, text));
        buf_printf(out, "..%s", text_quantity(unit, ev->high, text));
    }
    buf_addc(out, '\n');
}

static void write_result(struct junit *j, const struct junit_case *c)
{
    struct buf b = {0};

    if (c->state == FOUND_NOT_RUN) {
        xmlTextWriterStartElement(j->xml, x("skipped"));
        attr(j, "message", c->message ? c->message : "not run");
        xmlTextWriterEndElement(j->xml);
    } else if (c->state != FOUND_PASS && !c->warn) {
        xmlTextWriterStartElement(j->xml, x(c->state == FOUND_BREACH ? "failure" : "error"));
        attr(j, "message", c->message ? c->message : "");
        attr(j, "type",
             c->state == FOUND_BREACH ? "threshold"
             : c->type                ? c->type
                                      : "inconclusive");
        if (c->finding)
            evidence_line(c->finding, &b);
        if (c->line && j->r->suite->file)
            buf_printf(&b, "%s:%d\n", j->r->suite->file, c->line);
        lines(j, buf_text(&b));
        xmlTextWriterEndElement(j->xml);
        buf_free(&b);
    }
}

/* Readers keep the first of two cases with the same name, so the second gets a number. */
static void write_name(struct junit *j, const struct junit_suite *s, int index)
{
    const char *name = s->cases[index].name ? s->cases[index].name : "unnamed";
    struct buf b = {0};
    int same = 1;

    for (int i = 0; i < index; i++)
        same += s->cases[i].name && strcmp(s->cases[i].name, name) == 0;
    buf_adds(&b, name);
    if (same > 1)
        buf_printf(&b, " (%d)", same);
    attr(j, "name", buf_text(&b));
    buf_free(&b);
}

static void write_case(struct junit *j, const struct junit_suite *s, int index)
{
    const struct junit_case *c = &s->cases[index];
    struct buf b = {0};

    xmlTextWriterStartElement(j->xml, x("testcase"));
    write_name(j, s, index);
    buf_printf(&b, "%s.%s", j->r->suite->name, s->name);
    attr(j, "classname", buf_text(&b));
    buf_free(&b);
    attr_seconds(j, c->seconds);
    if (j->dialect == JUNIT_CI && j->r->suite->file) {
        attr(j, "file", j->r->suite->file);
        if (c->line)
            attr_int(j, "line", c->line);
    }
    write_result(j, c);
    xmlTextWriterEndElement(j->xml);
}

static void write_output(struct junit *j, const struct junit_suite *s)
{
    struct buf b = {0};

    for (int i = 0; i < s->count; i++) {
        const struct junit_case *c = &s->cases[i];

        if (c->warn && (c->state == FOUND_BREACH || c->state == FOUND_INCONCLUSIVE))
            buf_printf(&b, "warning: %s: %s\n", c->name, c->message ? c->message : "");
    }
    for (int i = 0; s->phase && s->phase->steps && i < s->phase->phase->step_count; i++)
        sizes_report_lines(&s->phase->steps[i], &b);
    xmlTextWriterStartElement(j->xml, x("system-out"));
    lines(j, buf_text(&b));
    xmlTextWriterEndElement(j->xml);
    xmlTextWriterStartElement(j->xml, x("system-err"));
    lines(j, s->output ? s->output : "");
    xmlTextWriterEndElement(j->xml);
    buf_free(&b);
}

static void write_suite(struct junit *j, int id)
{
    const struct junit_suite *s = &j->suites[id];
    char when[TEXT_TIME_MAX];

    text_time(s->started_wall_ns, when);
    when[strlen("1970-01-01T00:00:00")] = '\0'; /* the schemas know neither fractions nor zones */
    xmlTextWriterStartElement(j->xml, x("testsuite"));
    attr(j, "name", s->name);
    attr(j, "timestamp", when);
    attr(j, "hostname", "localhost");
    attr_int(j, "tests", s->count);
    attr_int(j, "failures", s->failures);
    attr_int(j, "errors", s->errors);
    if (j->dialect == JUNIT_CI)
        attr_int(j, "skipped", s->skipped);
    attr_seconds(j, (double)s->elapsed_ns / NS_PER_S);
    attr(j, "package", j->r->suite->name);
    attr_int(j, "id", id);
    xmlTextWriterStartElement(j->xml, x("properties"));
    xmlTextWriterEndElement(j->xml);
    for (int i = 0; i < s->count; i++)
        write_case(j, s, i);
    write_output(j, s);
    xmlTextWriterEndElement(j->xml);
}

static void write_root(struct junit *j)
{
    int tests = 0, failures = 0, errors = 0;

    for (int i = 0; i < j->count; i++) {
        tests += j->suites[i].count;
        failures += j->suites[i].failures;
        errors += j->suites[i].errors;
    }
    xmlTextWriterStartElement(j->xml, x("testsuites"));
    if (j->dialect == JUNIT_CI) {
        attr(j, "name", j->r->suite->name);
        attr_int(j, "tests", tests);
        attr_int(j, "failures", failures);
        attr_int(j, "errors", errors);
        attr_seconds(j, (double)j->r->elapsed_ns / NS_PER_S);
    }
    for (int i = 0; i < j->count; i++)
        write_suite(j, i);
    xmlTextWriterEndElement(j->xml);
}

void junit_xml(const struct run_result *r, enum junit_dialect dialect, struct buf *out)
{
    struct junit j = {.r = r, .dialect = dialect};
    xmlBuffer *memory = mem_check(xmlBufferCreate());

    j.suites = xcalloc((size_t)r->phase_count + 2, sizeof(*j.suites));
    services_add(&j);
    for (int i = 0; i < r->phase_count; i++)
        phase_add(&j, &r->phases[i]);
    run_add(&j);
    j.xml = mem_check(xmlNewTextWriterMemory(memory, 0));
    xmlTextWriterSetIndent(j.xml, 1);
    xmlTextWriterStartDocument(j.xml, NULL, "UTF-8", NULL);
    write_root(&j);
    if (xmlTextWriterEndDocument(j.xml) < 0)
        bug("a JUnit document could not be written");
    xmlFreeTextWriter(j.xml);
    buf_add(out, xmlBufferContent(memory), (size_t)xmlBufferLength(memory));
    xmlBufferFree(memory);
    for (int i = 0; i < r->phase_count + 2; i++)
        free(j.suites[i].cases);
    free(j.suites);
}
