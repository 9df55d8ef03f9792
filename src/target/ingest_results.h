/* ingest_results.h - what agents report with their beats. */
#pragma once

struct call;
struct grpc_span;
struct skim;

/* Counts the results of a beat, and takes note of the tasks that they end. */
void ingest_results(struct call *c, struct grpc_span message, const struct skim *m);
