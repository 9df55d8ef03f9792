#include "run/fitness.h"

#include "run/result.h"

double fitness_lag(const struct step_result *r, int from, int to)
{
    struct selection sel = {
        .metric = M_SCHEDULE_LAG, .part = -1, .outcome = -1, .from = from, .to = to};
    struct series s;
    double lag;

    series_select(&s, &r->meter, &sel);
    lag = s.hist ? hist_quantile(s.hist, 0.99) : 0;
    series_free(&s);
    return lag;
}

bool fitness_never_reached(const struct step_result *r)
{
    bool any = r->sent > 0 && r->error_count > 0 && r->ok == 0;

    for (int i = 0; i < r->error_count; i++)
        any &= r->errors[i].outcome == OP_REFUSED || r->errors[i].outcome == OP_UNREACHABLE;
    return any;
}
