/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Brain
 *
 * The order of the file: its death and what it leaves, the steps, what it is told, and how the
 * next one begins. After each chance to die all that follows is left undone, up to the caller.
 */

#include <signal.h>

#include "sim/brain.h"

#define STEPS_PER_TURN_MAX 40

/* The record of a sidecar, as far as there is one here. */
typedef struct Note {
        Lifecycle life;
        bool exit_is_news;
} Note;

static const RecordField note_fields[] = {
        RECORD_STRUCT(1, Note, life, lifecycle_fields),
        RECORD_FIELD(2, Note, exit_is_news, FIELD_BOOL),
        RECORD_END,
};

static uint32_t roll(History *history) {
        return (uint32_t) random_next(&history->random);
}

bool brain_dies(History *history) {
        Brain *brain = &history->brain;

        if (!brain->is_dead && random_below(&history->random, 1000) < history->deaths_per_mille) {
                brain->is_dead = true;
                history->n_deaths++;
                history_trace(history, "brain:", "dies", history->n_deaths);
        }

        return brain->is_dead;
}

/* Whatever the facts are, they can be written down and read again. */
static void check_replay(History *history) {
        Note note = { history->brain.life, history->brain.exit_is_news }, replayed = { 0 };
        RecordBuffer *scratch = &history->scratch;

        scratch->n_bytes = 0;
        if (record_encode(scratch, note_fields, &note) < 0 ||
            record_decode(scratch->bytes, scratch->n_bytes, note_fields, &replayed) < 0)
                history_violate(history, "what is written down can be read");

        judge_see_replay(&history->judge, &note.life, &replayed.life);
}

static void write_down(History *history) {
        Ledger *ledger = &history->ledger;

        check_replay(history);
        ledger->last.n_bytes = 0;
        if (record_buffer_append(&ledger->last, history->scratch.bytes, history->scratch.n_bytes) <
            0)
                history_violate(history, "there is memory for a record");
        ledger->judge = history->judge;
}

static void announce(History *history, const Step *step) {
        Brain *brain = &history->brain;
        bool with_exit = brain->exit_is_news;

        lifecycle_did_announce(&brain->life, step);
        brain->exit_is_news = false;
        if (brain_dies(history))
                return;

        /* What is told is the event, which is in the ledger with its record or not at all. */
        judge_see_told(&history->judge, step, with_exit);
        write_down(history);
}

static void fail_to_spawn(History *history, const News *news) {
        Cause cause = {
                .code = news->permanent ? REASON_EXEC_FAILED : REASON_RESOURCES,
                .exit_code = -1,
                .error = news->error,
        };

        lifecycle_on_spawn_failed(&history->brain.life, &cause, news->permanent, history->now,
                                  roll(history));
}

static void do_spawn(History *history) {
        Brain *brain = &history->brain;
        World *world = &history->world;
        News failure;

        if (!world_is_vacant(world) || !brain->tree_is_empty)
                history_violate(history, "a start finds nothing of the former generation");

        lifecycle_did_spawn(&brain->life, &history->spec, history->now);
        if (world_preflight_fails(world, &failure)) {
                history_trace(history, "preflight:", "fails", failure.error);
                judge_hear_news(&history->judge, &failure, history->now);
                fail_to_spawn(history, &failure);
                return;
        }

        if (brain_dies(history))
                return;
        write_down(history);
        if (brain_dies(history))
                return;

        brain->tree_is_empty = false;
        if (!world_spawn(world, brain->life.generation, history->now))
                history_violate(history, "no generation is spawned twice");
}

static void do_probe(History *history, const Step *step) {
        const SidecarSpec *spec = &history->spec;

        lifecycle_did_probe(&history->brain.life);
        world_probe(&history->world, step->is_liveness ? &spec->liveness.probe : &spec->readiness,
                    history->now, step->until);
}

static void do_end_step(History *history, StepKind kind) {
        World *world = &history->world;

        if (kind == STEP_SIGNAL_MAIN)
                world_signal_main(world, history->now, history->spec.stop_signal);
        else if (kind == STEP_TERM_REST)
                world_signal_all(world, history->now, SIGTERM);
        else
                world_kill(world, history->now);
        if (brain_dies(history))
                return;

        lifecycle_did_end_step(&history->brain.life, kind, history->now);
}

static void trace_step(History *history, const Step *step) {
        static const char *const words[] = {
                [STEP_SPAWN] = "spawn",
                [STEP_PROBE] = "probe",
                [STEP_SIGNAL_MAIN] = "signal main",
                [STEP_TERM_REST] = "terminate the rest",
                [STEP_KILL_TREE] = "kill",
        };
        int64_t generation = (int64_t) history->brain.life.generation;

        if (step->kind == STEP_ANNOUNCE)
                history_trace(history, status_to_string(step->status),
                              sub_state_to_string(step->sub_state), generation);
        else
                history_trace(history, "step:", words[step->kind], generation);
}

static void do_step(History *history, const Step *step) {
        trace_step(history, step);
        judge_see_step(&history->judge, step, &history->brain.life, history->now);
        switch (step->kind) {

        case STEP_ANNOUNCE:
                announce(history, step);
                break;

        case STEP_SPAWN:
                do_spawn(history);
                break;

        case STEP_PROBE:
                do_probe(history, step);
                break;

        default:
                do_end_step(history, step->kind);
        }
        check_replay(history);
}

/* What has run out first, then step by step until there is only waiting. */
void brain_converge(History *history) {
        Lifecycle *life = &history->brain.life;
        Step step;

        for (unsigned n = 0; !brain_dies(history); n++) {
                judge_hear_time(&history->judge, history->now);
                lifecycle_on_time(life, history->now, roll(history));
                step = lifecycle_next(life, history->now);
                if (step.kind == STEP_WAIT || history->judge.violation)
                        break;
                if (n >= STEPS_PER_TURN_MAX) {
                        history_violate(history, "a turn comes to its end");
                        break;
                }
                do_step(history, &step);
        }
        if (brain_dies(history))
                return;

        write_down(history);
        history->until = step.until;
        judge_see_rest(&history->judge, life, step.until, world_is_unkillable(&history->world),
                       history->now);
}

/* An earlier brain has had this: only the facts say so, since all is told again. */
static bool is_had(const Lifecycle *life, NewsKind kind) {
        switch (kind) {

        case NEWS_FORKED:
                return life->process != PROCESS_REQUESTED;

        case NEWS_EXEC:
        case NEWS_EXEC_FAILED:
                return life->process != PROCESS_FORKED;

        case NEWS_EXITED:
                return life->process == PROCESS_GONE || life->process == PROCESS_NONE;

        default:
                return false;
        }
}

/* Answers whether there is anything new in it. */
static bool note_news(History *history, const News *news) {
        static const char *const words[] = { "forked", "spawn failed", "exec",   "exec failed",
                                             "probed", "exited",       "emptied" };
        Brain *brain = &history->brain;
        Lifecycle *life = &brain->life;

        history_trace(history, "news:", words[news->kind],
                      news->kind == NEWS_PROBED ? news->alive : news->status);
        judge_hear_news(&history->judge, news, history->now);
        brain->tree_is_empty |= news->kind == NEWS_EMPTIED || news->kind == NEWS_SPAWN_FAILED;
        if (is_had(life, news->kind))
                return false;

        switch (news->kind) {

        case NEWS_FORKED:
                lifecycle_on_forked(life, history->now);
                break;

        case NEWS_EXEC:
                lifecycle_on_exec(life, history->now);
                break;

        case NEWS_PROBED:
                lifecycle_on_probe(life, news->alive, history->now);
                break;

        case NEWS_EXITED:
                brain->exit_is_news = true;
                if (news->oom_limit != 0)
                        lifecycle_on_oom(life, news->oom_limit);
                lifecycle_on_exit(life, news->code, news->status, history->now, roll(history));
                break;

        case NEWS_EMPTIED:
                lifecycle_on_empty(life);
                break;

        case NEWS_SPAWN_FAILED:
        case NEWS_EXEC_FAILED:
                fail_to_spawn(history, news);
        }
        return true;
}

/* The end is acknowledged once whoever comes next can know it from the ledger alone. */
static void acknowledge(History *history, NewsKind kind) {
        if (kind == NEWS_EMPTIED && !brain_dies(history))
                world_acknowledge(&history->world);
}

void brain_take_news(History *history, const News *news) {
        if (note_news(history, news))
                brain_converge(history);
        acknowledge(history, news->kind);
}

static void note_wish(History *history, WishKind wish) {
        static const char *const words[] = { "start", "stop", "stop, kill", "restart" };
        Lifecycle *life = &history->brain.life;

        history_trace(history, "wish:", words[wish], (int64_t) history->n_wishes);
        judge_hear_wish(&history->judge, wish);
        switch (wish) {

        case WISH_START:
                lifecycle_start(life);
                break;

        case WISH_STOP:
                lifecycle_stop(life, REASON_REQUESTED, false);
                break;

        case WISH_STOP_KILL:
                lifecycle_stop(life, REASON_SHUTDOWN, true);
                break;

        default:
                lifecycle_restart(life);
        }
        if (wish == WISH_START || wish == WISH_RESTART)
                judge_see_promise(&history->judge, lifecycle_promised_generation(life));
}

bool brain_take_wish(History *history, WishKind wish) {
        note_wish(history, wish);
        if (brain_dies(history))
                return false;

        if (wish != WISH_RESTART)
                write_down(history);
        brain_converge(history);
        if (brain_dies(history))
                return false;

        judge_see_answer(&history->judge);
        return true;
}

static void note_others(History *history) {
        lifecycle_set_blocked(&history->brain.life, history->blocked);
        lifecycle_set_end_blocked(&history->brain.life, history->end_blocked);
}

void brain_take_others(History *history) {
        note_others(history);
        brain_converge(history);
}

void brain_take_failed_dependency(History *history) {
        judge_hear_dependency_failed(&history->judge);
        lifecycle_on_dependency_failed(&history->brain.life);
        brain_converge(history);
}

/* The keeper knows nothing of this generation. */
static void on_nothing_there(History *history) {
        Brain *brain = &history->brain;

        brain->tree_is_empty = true;
        if (!world_is_vacant(&history->world))
                history_violate(history, "a start is in the ledger before it is sent");
        if (brain->life.process == PROCESS_NONE)
                return;
        if (brain->life.process != PROCESS_REQUESTED)
                history_violate(history, "an end is in the ledger before it is acknowledged");

        history_trace(history, "keeper:", "never spawned", (int64_t) brain->life.generation);
        judge_hear_never_spawned(&history->judge);
        lifecycle_on_never_spawned(&brain->life);
}

/* All of it is told again, and then goes on from there. */
static void resume(History *history) {
        News past[WORLD_PAST_MAX];
        size_t n = world_list_past(&history->world, history->brain.life.generation, past);

        note_others(history);
        for (size_t i = 0; i < n && !brain_dies(history); i++)
                brain_take_news(history, &past[i]);
        if (n == 0)
                on_nothing_there(history);

        brain_converge(history);
}

void brain_start(History *history) {
        const RecordBuffer *last = &history->ledger.last;
        Note note = { 0 };

        judge_hear_death(&history->judge, &history->ledger.judge, history->now);
        lifecycle_init(&note.life, &history->spec, history->first_generation);
        if (last->n_bytes > 0) {
                note = (Note){ 0 };
                if (record_decode(last->bytes, last->n_bytes, note_fields, &note) < 0)
                        history_violate(history, "what is written down can be read");
        }

        history->brain = (Brain){ .life = note.life, .exit_is_news = note.exit_is_news };
        lifecycle_on_adopted(&history->brain.life, &history->spec, history->now);
        resume(history);
}
