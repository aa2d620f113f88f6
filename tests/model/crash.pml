/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Crash
 *
 * Keeper, brain and owner, each of which may be killed between any two steps, for spin(1):
 * tests/sim knows what a brain decides, this knows what it leaves behind. Here is the world and
 * what must be true of it, in supervisor.pml what is ours. check.sh runs both.
 *
 * Limits: one sidecar, since slots share nothing but the order of the socket; one owner; no time,
 * and so no grace, backoff or safe mode; containment by cgroup. A step is one message, one record
 * of the ledger, one fork or one signal: it is whole or has not happened.
 */

#ifndef MAXDEATHS
#define MAXDEATHS 1 /* of brains */
#endif
#ifndef MAXKEEPERDEATHS
#define MAXKEEPERDEATHS 1
#endif
#ifndef MAXCRASHES
#define MAXCRASHES 1 /* of sidecars, by themselves */
#endif
#ifndef MAXSTOPS
#define MAXSTOPS 1 /* by the owner, who may ask for a start after each */
#endif

#define KEEPERS 2 /* the second may be started at any time, or never */
#define NOBODY KEEPERS
#define OTHER(k) (1 - (k))

mtype = { NEVER, LIVES, KILLED, GONE };                     /* a keeper, a brain */
mtype = { FREE, RUNNING, ENDED };                           /* an entry of the table */
mtype = { NOTHING, RUNS, ZOMBIE };                          /* a main process */
mtype = { TABLE, EXITED, SPAWN, ACKNOWLEDGE };              /* messages */
mtype = { SILENCE, HOLD, STOP, START, ANSWERED, NO_REPLY }; /* a call */

/* The world. What is a keeper's has its number. */

typedef Tree {
	mtype main = NOTHING;
	bool rest; /* something of the tree has outlived the main process */
};

typedef Entry {
	mtype state = FREE;
	byte generation; /* the current or last one */
};

typedef Record {
	bool held;
	bool up;         /* the goal */
	byte generation; /* the last that was asked for */
	byte taken;      /* the last whose end is known; what lies between them is REQUESTED */
};

mtype keeper[KEEPERS] = NEVER;
mtype brain[KEEPERS] = GONE;
bool bereaved[KEEPERS]; /* the death signals of this keeper's children are sent */
Tree tree[KEEPERS];
Entry entry[KEEPERS];   /* the table, in the keeper's memory */
Record record[KEEPERS]; /* the ledger, in a memfd of the keeper's */
byte lock = NOBODY;
chan to_keeper[KEEPERS] = [2] of { mtype, byte };
chan to_brain[KEEPERS] = [2] of { mtype, mtype, byte };

byte name = NOBODY; /* whose brain has the name on the bus */
bool name_is_new;   /* and the owner has not seen that */
mtype call = SILENCE;
bool owner_lives = true;

byte deaths, keeper_deaths, crashes;

/* What only the properties look at. */

byte owed[KEEPERS];    /* the generation whose exit is not in the ledger yet; 0: none */
bool stopped[KEEPERS]; /* a stop was answered or a hold released, and no start asked for since */
bool swept[KEEPERS];   /* the brain outlived its keeper for long enough to kill the tree */
bool wants;            /* the owner was told that it has the sidecar up */

#define is_dead(k) (keeper[k] == KILLED || keeper[k] == GONE)
#define is_empty(k) (tree[k].main != RUNS && !tree[k].rest)
#define is_requested(k) (record[k].taken < record[k].generation)
#define nobody_lives (keeper[0] != LIVES && keeper[1] != LIVES)

/* Contract D3: keeper and brain die in the same instant, and what would sweep does not start. */
#define is_left_to_next(k) \
	(is_dead(k) && brain[k] == GONE && !swept[k] && tree[k].main != RUNS && nobody_lives)
#define may_run(k) (owner_lives && !stopped[k] && !is_dead(k))
#define has_no_orphan(k) (may_run(k) || is_empty(k) || is_left_to_next(k))
#define has_its_exits(k) (is_dead(k) || owed[k] == 0)
#define runs (tree[0].main == RUNS || tree[1].main == RUNS)

/*
 * That no sidecar is there twice, no exit counted twice or dropped uncounted, and nothing spawned
 * after a stop, are assertions at the places where that would happen. Deaths have a bound, so what
 * must come true in the end is: from some moment on, for ever.
 */
ltl no_orphan { <> [] (has_no_orphan(0) && has_no_orphan(1)) }
ltl no_lost_exit { <> [] (has_its_exits(0) && has_its_exits(1)) }
ltl no_lost_goal { <> [] (!wants || runs || nobody_lives) }

inline end_main(k) {
	owed[k] = entry[k].generation;
	tree[k].main = ZOMBIE
}

inline kill_tree(k) {
	tree[k].rest = false;
	if
	:: tree[k].main == RUNS -> end_main(k)
	:: else
	fi
}

#include "supervisor.pml"

/* The owner */

#define can_call (!name_is_new && name != NOBODY)

inline wait_for_answer() {
	call == ANSWERED || call == NO_REPLY
}

inline use() {
	do
	:: d_step {
		name_is_new && name != NOBODY ->
		name_is_new = false;
		call = HOLD
	};
		wait_for_answer();
		d_step {
			wants = call == ANSWERED && !asked_to_stop;
			call = SILENCE
		}
	:: d_step {
		can_call && wants && stops < MAXSTOPS ->
		stops++;
		asked_to_stop = true;
		wants = false;
		call = STOP
	};
		wait_for_answer();
		call = SILENCE
	:: d_step {
		can_call && asked_to_stop ->
		stopped[name] = false;
		call = START
	};
		wait_for_answer();
		d_step {
			wants = call == ANSWERED;
			asked_to_stop = !wants;
			call = SILENCE
		}
	od
}

proctype Owner() {
	bool asked_to_stop; /* and for no start since */
	byte stops;

	{
		use()
	} unless {
		!owner_lives;
		asked_to_stop = false;
		stops = 0
	}
}

/* The kernel */

inline end_main_alone(k) {
	end_main(k);
	if
	:: tree[k].rest = true
	:: skip
	fi
}

#ifdef NO_PDEATHSIG
#define send_death_signals(k) skip
#else
#define send_death_signals(k) \
	bereaved[k] = true; \
	if \
	:: tree[k].main == RUNS -> end_main_alone(k) \
	:: else \
	fi
#endif

/* Memory, sockets and ledger have gone with those who had them. */
inline forget(k) {
	do
	:: to_keeper[k]?_, _
	:: empty(to_keeper[k]) -> break
	od;
	do
	:: to_brain[k]?_, _, _
	:: empty(to_brain[k]) -> break
	od;
	entry[k].state = FREE;
	entry[k].generation = 0;
	record[k].held = false;
	record[k].up = false;
	record[k].generation = 0;
	record[k].taken = 0;
	tree[k].main = NOTHING;
	owed[k] = 0;
	stopped[k] = false;
	swept[k] = swept[k] && !is_empty(k);
	keeper[k] = GONE
}

#define KERNEL_OF(k) \
	:: keeper[k] == KILLED && lock == k -> lock = NOBODY \
	:: atomic { keeper[k] == KILLED && lock != k && !bereaved[k] -> send_death_signals(k) } \
	:: d_step { keeper[k] == KILLED && bereaved[k] && brain[k] == GONE -> forget(k) }

proctype Kernel() {
	do
	KERNEL_OF(0)
	KERNEL_OF(1)
	od
}

/* What may happen, and need not. */

#define FATE_OF(k) \
	:: atomic { \
		tree[k].main == RUNS && crashes < MAXCRASHES -> \
		crashes++; \
		end_main_alone(k) \
	} \
	:: tree[k].rest -> tree[k].rest = false \
	:: d_step { \
		brain[k] == LIVES && deaths < MAXDEATHS -> \
		deaths++; \
		brain[k] = KILLED \
	} \
	:: d_step { \
		keeper[k] == LIVES && keeper_deaths < MAXKEEPERDEATHS -> \
		keeper_deaths++; \
		keeper[k] = KILLED \
	}

#ifdef NO_LOCK
#define may_begin true
#else
#define may_begin (lock == NOBODY)
#endif

proctype Fate() {
	do
	FATE_OF(0)
	FATE_OF(1)
	/* Who finds the lock taken leaves, and has not been there. */
	:: d_step {
		keeper[1] == NEVER && may_begin ->
		keeper[1] = LIVES;
		lock = 1
	}
	:: d_step {
		owner_lives ->
		owner_lives = false;
		wants = false
	}
	:: deaths <= MAXDEATHS /* nothing, for ever: spin refuses a plain true */
	od
}

init {
	atomic {
		keeper[0] = LIVES;
		lock = 0;
		run Keeper(0);
		run Keeper(1);
		run Brain(0);
		run Brain(1);
		run Owner();
		run Kernel();
		run Fate()
	}
}
