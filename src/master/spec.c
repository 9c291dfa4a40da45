/* Is a submitted job sound? Everything that the rest of the master relies on is checked here, once:
 * a JobSpec comes from another process. */
#include "master/internal.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

static const char *or_empty(const char *s) {
    return s != NULL ? s : "";
}

static int check_name(const char *what, const char *name, bool needed, struct ei_error *e) {
    size_t len = strlen(or_empty(name));
    if (needed && len == 0)
        return ei_fail(e, EI_INVALID, "%s is missing", what);
    if (len > EI_JOB_NAME_MAX)
        return ei_fail(e, EI_INVALID, "%s is %zu bytes long, the limit is %d", what, len,
                       EI_JOB_NAME_MAX);
    if (!ei_utf8_valid(or_empty(name), len))
        return ei_fail(e, EI_INVALID, "%s is not valid UTF-8", what);
    return 0;
}

static int check_split(const Eider__V1__Split *split, struct ei_error *e) {
    for (size_t i = 0; i < split->n_slices; i++) {
        const Eider__V1__FileSlice *s = split->slices[i];
        if (or_empty(s->path)[0] != '/')
            return ei_fail(e, EI_INVALID, "the path \"%.200s\" of a split is not absolute",
                           or_empty(s->path));
        if (s->begin > s->end)
            return ei_fail(e, EI_INVALID, "a split of %.200s ends before it begins", s->path);
    }
    return 0;
}

static int check_tables(const Eider__V1__StageSpec *s, struct ei_error *e) {
    bool split_found = false;
    for (size_t i = 0; i < s->n_tables; i++) {
        if (check_name("the name of a table", s->tables[i]->name, true, e) != 0)
            return -1;
        split_found = split_found || strcmp(s->tables[i]->name, or_empty(s->split_table)) == 0;
    }
    for (size_t i = 0; i < s->n_whole_tables; i++)
        if (check_name("the name of a table", s->whole_tables[i]->name, true, e) != 0)
            return -1;
    if (s->n_whole_tables != s->n_whole_splits)
        return ei_fail(e, EI_INVALID, "%zu tables are read whole but %zu lists of files came",
                       s->n_whole_tables, s->n_whole_splits);
    if (or_empty(s->split_table)[0] != '\0' && !split_found)
        return ei_fail(e, EI_INVALID, "the split table \"%s\" is none of its tables",
                       s->split_table);
    if ((s->n_splits > 0) != (or_empty(s->split_table)[0] != '\0'))
        return ei_fail(e, EI_INVALID, "splits and the split table's name must come together");
    if (s->n_splits > 0 && s->n_splits != s->tasks)
        return ei_fail(e, EI_INVALID, "%zu splits do not fit %u tasks", s->n_splits, s->tasks);
    for (size_t i = 0; i < s->n_splits; i++)
        if (check_split(s->splits[i], e) != 0)
            return -1;
    for (size_t i = 0; i < s->n_whole_splits; i++)
        if (check_split(s->whole_splits[i], e) != 0)
            return -1;
    return 0;
}

uint32_t ei_spec_hash_partitions(const Eider__V1__JobSpec *spec,
                                 const Eider__V1__StageSpec *stage) {
    for (size_t i = 0; i < stage->n_exchanges; i++) {
        const Eider__V1__StageSpec *producer = spec->stages[stage->exchanges[i]->stage];
        if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
            return producer->partitions;
    }
    return 0;
}

static int check_exchange(const Eider__V1__JobSpec *spec, const Eider__V1__StageSpec *s,
                          const Eider__V1__ExchangeInput *x, struct ei_error *e) {
    if (check_name("the name of an input", x->name, true, e) != 0)
        return -1;
    if (x->stage >= s->id)
        return ei_fail(e, EI_INVALID, "it reads stage %u, which does not come before it", x->stage);
    const Eider__V1__StageSpec *producer = spec->stages[x->stage];
    if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT)
        return ei_fail(e, EI_INVALID, "it reads stage %u, whose output is the result", x->stage);
    if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER && s->tasks > 1)
        return ei_fail(e, EI_INVALID,
                       "its %u tasks would each read the gathered output of stage %u; that must be "
                       "broadcast or read by one task",
                       s->tasks, x->stage);
    if (producer->tasks > EI_STAGE_SOURCE_TASKS_MAX)
        return ei_fail(e, EI_LIMIT, "it reads stage %u with %u tasks, the limit is %d", x->stage,
                       producer->tasks, EI_STAGE_SOURCE_TASKS_MAX);
    if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH &&
        producer->partitions != ei_spec_hash_partitions(spec, s))
        return ei_fail(e, EI_INVALID, "its hash inputs have different numbers of partitions");
    return 0;
}

static int check_inputs(const Eider__V1__JobSpec *spec, const Eider__V1__StageSpec *s,
                        struct ei_error *e) {
    for (size_t i = 0; i < s->n_exchanges; i++)
        if (check_exchange(spec, s, s->exchanges[i], e) != 0)
            return -1;
    uint32_t partitions = ei_spec_hash_partitions(spec, s);
    if (partitions > 0 && s->n_splits > 0)
        return ei_fail(e, EI_INVALID, "it has both splits and hash partitions as input");
    if (partitions > 0 && s->tasks > partitions)
        return ei_fail(e, EI_INVALID, "%u tasks are more than the %u partitions they read",
                       s->tasks, partitions);
    if (partitions == 0 && s->n_splits == 0 && s->tasks > 1 && !s->native_noop)
        return ei_fail(e, EI_INVALID, "nothing divides its input among %u tasks", s->tasks);
    return 0;
}

static int check_output(const Eider__V1__StageSpec *s, bool last, struct ei_error *e) {
    bool hash = s->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH;
    if (s->partitions < 1 || s->partitions > (hash ? EI_STAGE_PARTITIONS_MAX : 1))
        return ei_fail(e, EI_INVALID, "its output may not have %u partitions", s->partitions);
    if (hash && (last || s->n_key_columns == 0))
        return ei_fail(e, EI_INVALID, "its output is partitioned by hash %s",
                       last ? "though it is the result" : "without key columns");
    if (!last && s->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT)
        return ei_fail(e, EI_INVALID, "only the last stage may put out the result");
    for (size_t i = 0; i < s->n_key_columns; i++)
        if (s->key_columns[i] >= s->n_columns)
            return ei_fail(e, EI_INVALID, "key column %u is not among its %zu columns",
                           s->key_columns[i], s->n_columns);
    return 0;
}

static int check_stage(const Eider__V1__JobSpec *spec, size_t i, struct ei_error *e) {
    const Eider__V1__StageSpec *s = spec->stages[i];
    if (s->id != i)
        return ei_fail(e, EI_INVALID, "it has id %u", s->id);
    if (check_name("its name", s->name, false, e) != 0)
        return -1;
    if (s->tasks < 1 || s->tasks > EI_JOB_TASKS_MAX)
        return ei_fail(e, EI_LIMIT, "%u tasks are not between 1 and %d", s->tasks,
                       EI_JOB_TASKS_MAX);
    if (!s->native_noop && or_empty(s->sql)[0] == '\0')
        return ei_fail(e, EI_INVALID, "it has no SQL");
    if (check_tables(s, e) != 0 || check_inputs(spec, s, e) != 0)
        return -1;
    return check_output(s, i + 1 == spec->n_stages, e);
}

static int check_order(const Eider__V1__JobSpec *spec, struct ei_error *e) {
    if (spec->n_after > EI_JOB_AFTER_MAX)
        return ei_fail(e, EI_LIMIT, "the job waits for %zu others, the limit is %d", spec->n_after,
                       EI_JOB_AFTER_MAX);
    for (size_t i = 0; i < spec->n_after; i++)
        if (spec->after[i]->after > EIDER__V1__AFTER__AFTER_FAIL)
            return ei_fail(e, EI_INVALID, "the job waits for another one in an unknown way");
    if (spec->begin_ms < 0 || spec->begin_ms > EI_JOB_MS_MAX ||
        spec->time_limit_ms > EI_JOB_MS_MAX || spec->task_time_limit_ms > EI_JOB_MS_MAX ||
        spec->keep_ms > EI_JOB_MS_MAX)
        return ei_fail(e, EI_INVALID, "a time of the job is beyond all limits");
    if (spec->task_cores > EI_WORKER_CORES_MAX)
        return ei_fail(e, EI_LIMIT, "a task cannot have %u cores, the limit is %d",
                       spec->task_cores, EI_WORKER_CORES_MAX);
    if (spec->n_needs > EI_JOB_TERMS_MAX || spec->n_labels > EI_JOB_TERMS_MAX)
        return ei_fail(e, EI_LIMIT, "the job asks for more than %d resources or labels",
                       EI_JOB_TERMS_MAX);
    for (size_t i = 0; i < spec->n_needs; i++)
        if (check_name("the name of a resource", spec->needs[i]->name, true, e) != 0)
            return -1;
    for (size_t i = 0; i < spec->n_labels; i++)
        if (check_name("a label", spec->labels[i], true, e) != 0)
            return -1;
    return 0;
}

int ei_spec_check(const Eider__V1__JobSpec *spec, struct ei_error *e) {
    if (spec == NULL)
        return ei_fail(e, EI_INVALID, "the job is empty");
    if (check_name("the job's name", spec->name, false, e) != 0 ||
        check_name("the job's kind", spec->kind, false, e) != 0 ||
        check_name("the job's user", spec->user, false, e) != 0 ||
        check_name("the job's queue", spec->queue, false, e) != 0 || check_order(spec, e) != 0)
        return -1;
    if (spec->n_stages < 1 || spec->n_stages > EI_JOB_STAGES_MAX)
        return ei_fail(e, EI_LIMIT, "the job has %zu stages, allowed are 1 to %d", spec->n_stages,
                       EI_JOB_STAGES_MAX);
    uint64_t tasks = 0;
    for (size_t i = 0; i < spec->n_stages; i++) {
        if (check_stage(spec, i, e) != 0)
            return ei_wrap(e, "stage %zu of the job is refused", i);
        tasks += spec->stages[i]->tasks;
    }
    if (tasks > EI_JOB_TASKS_MAX)
        return ei_fail(e, EI_LIMIT, "the job has %llu tasks, the limit is %d",
                       (unsigned long long)tasks, EI_JOB_TASKS_MAX);
    return 0;
}
