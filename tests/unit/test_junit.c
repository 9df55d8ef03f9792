/* The JUnit document, held against the rules of both schemas that strict readers use. */
#include "unit.h"

#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#include "base/buf.h"
#include "fixture_result.h"
#include "report/files.h"
#include "run/result.h"

#define ANT     "tests/fixtures/junit-windyroad.xsd"
#define JENKINS "tests/fixtures/junit-jenkins.xsd"

struct document {
    struct arena arena;
    struct run_result *r;
    struct buf text;
    xmlDoc *xml;
};

static void open_run(struct document *d)
{
    *d = (struct document){0};
    d->r = fixture_result(&d->arena);
}

static void render(struct document *d, enum junit_dialect dialect)
{
    xmlFreeDoc(d->xml);
    buf_clear(&d->text);
    junit_xml(d->r, dialect, &d->text);
    d->xml = xmlReadMemory(d->text.data, (int)d->text.len, "junit.xml", NULL, XML_PARSE_NONET);
    assert_non_null(d->xml);
}

static void close_run(struct document *d)
{
    xmlFreeDoc(d->xml);
    buf_free(&d->text);
    fixture_free(d->r, &d->arena);
}

static void hush(void *ctx, const char *fmt, ...)
{
    (void)ctx;
    (void)fmt;
}

static bool is_valid(xmlDoc *doc, const char *rules)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(rules);
    xmlSchema *schema = xmlSchemaParse(parser);
    xmlSchemaValidCtxt *ctx;
    int rc;

    assert_non_null(schema);
    ctx = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidErrors(ctx, hush, hush, NULL);
    rc = xmlSchemaValidateDoc(ctx, doc);
    xmlSchemaFreeValidCtxt(ctx);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(parser);
    return rc == 0;
}

static int count(const char *text, const char *what)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

static int found(const struct document *d, const char *what)
{
    return count(buf_text(&d->text), what);
}

static void strict_fits_both_schemas(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    render(&d, JUNIT_STRICT);
    assert_true(is_valid(d.xml, ANT));
    assert_true(is_valid(d.xml, JENKINS));
    close_run(&d);
}

static void ci_adds_what_schemas_refuse(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    render(&d, JUNIT_CI);
    assert_false(is_valid(d.xml, ANT));
    assert_non_null(
        strstr(d.text.data, "<testsuites name=\"edge-gate\" tests=\"9\" failures=\"1\""));
    assert_int_equal(found(&d, "file=\"suites/edge-gate.yaml\" line=\"14\""), 8);
    close_run(&d);
}

static void results_follow_the_findings(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "<failure "), 1); /* the breach of a warning is none */
    assert_int_equal(found(&d, "type=\"threshold\""), 1);
    assert_int_equal(found(&d, "<error "), 1);
    assert_int_equal(found(&d, "type=\"inconclusive\""), 1);
    assert_int_equal(found(&d, "<skipped message=\"the run was told to leave everything\""), 1);
    assert_int_equal(found(&d, "warning: control: op_failed"), 1);
    assert_int_equal(found(&d, "<testsuite "), 5);
    assert_int_equal(found(&d, "observed 9.91ms, limit 5ms, margin -4.91ms, n 3,000"), 1);
    close_run(&d);
}

static void repeated_names_are_numbered(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "name=\"executed (2)\""), 1);
    close_run(&d);
}

static void code_without_finding_has_a_case(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    for (int i = 0; i < d.r->phase_count; i++)
        d.r->phases[i].findings = NULL;
    d.r->exit_code = 3;
    d.r->interrupted = "SIGINT";
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "<error "), 1);
    assert_int_equal(found(&d, "type=\"interrupted\""), 1);
    assert_int_equal(found(&d, "message=\"not reached\""), 3);
    assert_true(is_valid(d.xml, ANT));
    /* A pass of a run that goes on could still become anything. */
    d.r->interrupted = NULL;
    d.r->exit_code = 0;
    d.r->complete = false;
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "<error "), 1);
    d.r->complete = true;
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "<error "), 0);
    close_run(&d);
}

static void failed_service_is_an_error(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    d.r->findings = NULL;
    d.r->services[0].failure = "exited with 1";
    d.r->services[0].last_lines = "first\nport taken: " FIXTURE_SECRET "\n";
    render(&d, JUNIT_STRICT);
    assert_int_equal(found(&d, "<error message=\"exited with 1\" type=\"infra\""), 1);
    assert_int_equal(found(&d, "port taken: ***"), 1);
    assert_true(is_valid(d.xml, ANT));
    assert_true(is_valid(d.xml, JENKINS));
    close_run(&d);
}

static void hostile_text_is_harmless(void **state)
{
    struct document d;

    (void)state;
    open_run(&d);
    render(&d, JUNIT_CI);
    assert_int_equal(found(&d, FIXTURE_SECRET), 0);
    assert_int_equal(found(&d, "\033"), 0);
    assert_int_equal(found(&d, "&lt;b&gt;"), 1);
    assert_int_equal(found(&d, "\xEF\xBF\xBD\xEF\xBF\xBD"), 1);
    close_run(&d);
}

UNIT_GROUP(junit, cmocka_unit_test(strict_fits_both_schemas),
           cmocka_unit_test(ci_adds_what_schemas_refuse),
           cmocka_unit_test(results_follow_the_findings),
           cmocka_unit_test(repeated_names_are_numbered),
           cmocka_unit_test(code_without_finding_has_a_case),
           cmocka_unit_test(failed_service_is_an_error), cmocka_unit_test(hostile_text_is_harmless))
