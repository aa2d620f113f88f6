/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * World
 *
 * A process is no more than the moment at which it dies: signals move that moment nearer. All
 * that a generation will do is rolled when it is spawned, so that orders alone change its fate.
 */

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "sim/world.h"
#include "util/duration.h"

#define EXEC_SLOW_USEC (60 * USEC_PER_SEC)
#define EXEC_USEC (20 * USEC_PER_MSEC)
#define LIFE_USEC (300 * USEC_PER_SEC)
#define SERVES_USEC (60 * USEC_PER_SEC)
#define REACTION_USEC (8 * USEC_PER_SEC)
#define DEATH_USEC (5 * USEC_PER_MSEC)
#define NEWS_DELAY_USEC (20 * USEC_PER_MSEC)
#define KERNEL_USEC (30 * USEC_PER_SEC)

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

void world_init(World *world, Random *random) {
        *world = (World){ .random = random, .probe_at = USEC_INFINITY };
}

bool world_preflight_fails(World *world, News *ret) {
        static const News failures[] = {
                { .kind = NEWS_SPAWN_FAILED, .error = ENOENT, .permanent = true },
                { .kind = NEWS_SPAWN_FAILED, .error = EADDRINUSE },
        };

        if (random_chance(world->random, 96))
                return false;

        *ret = failures[random_below(world->random, 2)];
        return true;
}

static News fork_fate(Random *random) {
        if (random_chance(random, 97))
                return (News){ .kind = NEWS_FORKED };

        return (News){ .kind = NEWS_SPAWN_FAILED, .error = EAGAIN };
}

static News exec_fate(Random *random) {
        if (random_chance(random, 94))
                return (News){ .kind = NEWS_EXEC };
        if (random_chance(random, 50))
                return (News){ .kind = NEWS_EXEC_FAILED, .error = EACCES, .permanent = true };

        return (News){ .kind = NEWS_EXEC_FAILED, .error = ETXTBSY };
}

static void roll_death(World *world) {
        static const struct {
                int code, status;
                uint64_t oom_limit;
        } deaths[] = {
                { CLD_EXITED, 0, 0 },       { CLD_EXITED, 0, 0 },
                { CLD_EXITED, 1, 0 },       { CLD_EXITED, 3, 1 << 20 },
                { CLD_KILLED, SIGKILL, 0 }, { CLD_KILLED, SIGKILL, UINT64_MAX },
                { CLD_DUMPED, SIGSEGV, 0 }, { CLD_EXITED, 0, 0 },
                { CLD_EXITED, 255, 0 },     { 0, 0, 0 },
        };
        size_t i = random_below(world->random, sizeof(deaths) / sizeof(deaths[0]));

        world->code = deaths[i].code;
        world->status = deaths[i].status;
        world->oom_limit = deaths[i].oom_limit;
}

static Member member_roll(Random *random, uint64_t now) {
        Member member = { .dies_at = USEC_INFINITY };

        if (random_chance(random, 60))
                member.dies_at = now + random_span(random, LIFE_USEC);
        member.deaf = random_chance(random, 25);
        if (random_chance(random, 20))
                member.n_kills = (unsigned) random_below(random, WORLD_KILLS_DODGED_MAX + 1);
        if (random_chance(random, 1))
                member.kernel_until = now + random_span(random, KERNEL_USEC);

        return member;
}

bool world_spawn(World *world, uint64_t generation, uint64_t now) {
        Random *random = world->random;
        uint64_t slowest = random_chance(random, 10) ? EXEC_SLOW_USEC : EXEC_USEC;
        uint64_t former = world->generation;

        if (generation <= former)
                return false;

        world_init(world, random);
        world->stage = WORLD_REQUESTED;
        world->generation = former;
        world->ordered = generation;
        world->fate = fork_fate(random);
        world->news_at = now + random_span(random, NEWS_DELAY_USEC);
        world->main = member_roll(random, world->news_at);
        roll_death(world);

        if (world->fate.kind == NEWS_SPAWN_FAILED) {
                world->main.dies_at = now;
                return true;
        }

        world->serves_at =
                world->news_at + random_span(random, slowest) + random_span(random, SERVES_USEC);
        if (random_chance(random, 20))
                world->serves_at = USEC_INFINITY;
        world->hangs_at = USEC_INFINITY;
        if (random_chance(random, 30))
                world->hangs_at = world->news_at + random_span(random, LIFE_USEC);
        if (random_chance(random, 50))
                world->n_leftovers = random_below(random, WORLD_LEFTOVERS_MAX + 1);
        for (size_t i = 0; i < world->n_leftovers; i++)
                world->leftovers[i] = member_roll(random, world->news_at);

        return true;
}

/* From the fork on the exec is under way; one that fails takes the process with it. */
static void begin_exec(World *world, uint64_t now) {
        uint64_t slowest = random_chance(world->random, 10) ? EXEC_SLOW_USEC : EXEC_USEC;

        world->stage = WORLD_FORKED;
        world->generation = world->ordered;
        world->fate = exec_fate(world->random);
        world->news_at = now + random_span(world->random, slowest);
        if (world->fate.kind == NEWS_EXEC_FAILED) {
                world->main.dies_at = earlier(world->main.dies_at, world->news_at);
                world->code = CLD_EXITED;
                world->status = 127;
                world->n_leftovers = 0;
        }
}

static uint64_t later_by(uint64_t at, uint64_t delay) {
        return at == USEC_INFINITY ? at : at + delay;
}

/* The tree is empty once the longest-lived has gone. */
static uint64_t empty_at(const World *world) {
        uint64_t at = world->main.dies_at;

        for (size_t i = 0; i < world->n_leftovers; i++)
                if (world->leftovers[i].dies_at > at)
                        at = world->leftovers[i].dies_at;

        return at;
}

static uint64_t keeper_next_at(const World *world) {
        uint64_t exit_at = later_by(world->main.dies_at, world->delay);

        switch (world->stage) {

        case WORLD_REQUESTED:
                return world->news_at;

        case WORLD_FORKED:
                return earlier(world->news_at, exit_at);

        case WORLD_EXECUTED:
                return exit_at;

        case WORLD_EXITED:
                return later_by(empty_at(world), world->delay);

        default:
                return USEC_INFINITY;
        }
}

uint64_t world_next_at(const World *world) {
        return earlier(keeper_next_at(world), world->probe_at);
}

static News take_probe(World *world, uint64_t now) {
        bool lives = world->stage == WORLD_EXECUTED && now < world->main.dies_at;

        world->probe_at = USEC_INFINITY;
        return (News){
                .kind = NEWS_PROBED,
                .alive = lives && now >= world->serves_at && now < world->hangs_at &&
                         random_chance(world->random, 90),
        };
}

/* The probe of a process that has ended is dropped, as core does it. */
static News take_exit(World *world) {
        world->stage = WORLD_EXITED;
        world->probe_at = USEC_INFINITY;
        return (News){
                .kind = NEWS_EXITED,
                .code = world->code,
                .status = world->status,
                .oom_limit = world->oom_limit,
        };
}

static News take_keeper(World *world, uint64_t now) {
        News news = world->fate;

        world->delay = random_span(world->random, NEWS_DELAY_USEC);
        switch (world->stage) {

        case WORLD_REQUESTED:
                if (news.kind == NEWS_FORKED)
                        begin_exec(world, now);
                else
                        world->stage = WORLD_VACANT;
                return news;

        case WORLD_FORKED:
                if (now < world->news_at)
                        return take_exit(world);
                world->stage = WORLD_EXECUTED;
                world->exec_is_known = true;
                return news;

        case WORLD_EXECUTED:
                return take_exit(world);

        default:
                world->stage = WORLD_EMPTY;
                return (News){ .kind = NEWS_EMPTIED };
        }
}

bool world_take(World *world, uint64_t now, News *ret) {
        bool has_probe = world->probe_at <= now, has_keeper = keeper_next_at(world) <= now;

        if (!has_probe && !has_keeper)
                return false;

        if (has_probe && (!has_keeper || random_chance(world->random, 50)))
                *ret = take_probe(world, now);
        else
                *ret = take_keeper(world, now);

        return true;
}

static bool member_bring_forward(Member *member, uint64_t at) {
        if (member->dies_at <= at)
                return false;

        member->dies_at = at;
        return true;
}

/* Some obey at once, some take their time, some have a handler that ends with success. */
void world_signal_main(World *world, uint64_t now, int signal) {
        uint64_t at = now + random_span(world->random, REACTION_USEC);

        if (world->main.deaf || world->main.kernel_until > now ||
            !member_bring_forward(&world->main, at))
                return;

        world->code = random_chance(world->random, 50) ? CLD_EXITED : CLD_KILLED;
        world->status = world->code == CLD_EXITED ? 0 : signal;
}

void world_signal_all(World *world, uint64_t now, int signal) {
        world_signal_main(world, now, signal);

        for (size_t i = 0; i < world->n_leftovers; i++) {
                Member *member = &world->leftovers[i];

                if (!member->deaf && member->kernel_until <= now)
                        (void) member_bring_forward(
                                member, now + random_span(world->random, REACTION_USEC));
        }
}

static bool member_kill(Member *member, Random *random, uint64_t now) {
        uint64_t from = member->kernel_until > now ? member->kernel_until : now;

        if (member->n_kills > 0) {
                member->n_kills--;
                return false;
        }

        return member_bring_forward(member, from + random_span(random, DEATH_USEC));
}

void world_kill(World *world, uint64_t now) {
        if (member_kill(&world->main, world->random, now)) {
                world->code = CLD_KILLED;
                world->status = SIGKILL;
        }
        for (size_t i = 0; i < world->n_leftovers; i++)
                (void) member_kill(&world->leftovers[i], world->random, now);
}

void world_probe(World *world, const ProbeSpec *probe, uint64_t now, uint64_t deadline) {
        uint64_t at = now + random_span(world->random, probe->timeout_usec);

        world->probe_at = earlier(at, deadline);
}

bool world_is_vacant(const World *world) {
        return world->stage == WORLD_VACANT || world->stage == WORLD_EMPTY;
}

void world_acknowledge(World *world) {
        if (world->stage == WORLD_EMPTY)
                world->stage = WORLD_VACANT;
}

void world_hand_over(World *world, uint64_t now) {
        world->probe_at = USEC_INFINITY;
        if (world->stage == WORLD_REQUESTED)
                world->news_at = earlier(world->news_at, now);

        while (keeper_next_at(world) <= now)
                (void) take_keeper(world, now);
}

size_t world_list_past(const World *world, uint64_t generation, News ret[static WORLD_PAST_MAX]) {
        size_t n = 0;

        if (world->stage == WORLD_VACANT || world->generation != generation)
                return 0;

        ret[n++] = (News){ .kind = NEWS_FORKED };
        if (world->exec_is_known)
                ret[n++] = world->fate;
        if (world->stage >= WORLD_EXITED)
                ret[n++] = (News){
                        .kind = NEWS_EXITED,
                        .code = world->code,
                        .status = world->status,
                        .oom_limit = world->oom_limit,
                };
        if (world->stage == WORLD_EMPTY)
                ret[n++] = (News){ .kind = NEWS_EMPTIED };

        return n;
}

bool world_is_unkillable(const World *world) {
        bool found = world->main.kernel_until != 0;

        for (size_t i = 0; i < world->n_leftovers; i++)
                found |= world->leftovers[i].kernel_until != 0;

        return found;
}
