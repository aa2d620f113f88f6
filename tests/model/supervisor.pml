/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Supervisor
 *
 * What is ours in the model of crash.pml, which includes this: keeper and brain, as far as what
 * they do must have an order. Each #ifdef is a mutant, that is one rule left out, for check.sh.
 */

/* The keeper */

inline drop_entry(k) {
	assert(owed[k] == 0);
	entry[k].state = FREE
}

inline fork_sidecar(k) {
	assert(is_empty(0) && is_empty(1));
	entry[k].state = RUNNING;
	entry[k].generation = generation;
	tree[k].main = RUNS
}

inline on_spawn(k) {
	if
	:: entry[k].state == ENDED && entry[k].generation < generation -> drop_entry(k)
	:: else
	fi;
	if
	:: entry[k].state == FREE && entry[k].generation < generation -> fork_sidecar(k)
	:: else /* it was seen, or another is there still */
	fi
}

inline on_acknowledge(k) {
	if
	:: entry[k].state == ENDED && entry[k].generation == generation -> drop_entry(k)
	:: else
	fi
}

inline on_message(k) {
	if
	:: kind == SPAWN -> on_spawn(k)
	:: else -> on_acknowledge(k)
	fi;
	kind = 0;
	generation = 0
}

inline reap(k) {
	tree[k].main = NOTHING;
	entry[k].state = ENDED;
	if
	:: brain[k] == LIVES -> to_brain[k]!EXITED, ENDED, entry[k].generation
	:: brain[k] != LIVES
	fi
}

/* The socket is a new one, and what the last brain was still to be told stands in the table. */
inline start_brain(k) {
	do
	:: to_brain[k]?_, _, _
	:: empty(to_brain[k]) -> break
	od;
	to_brain[k]!TABLE, entry[k].state, entry[k].generation;
	brain[k] = LIVES
}

#ifdef START_BEFORE_DRAIN
#define is_drained(k) true
#else
#define is_drained(k) empty(to_keeper[k])
#endif

/*
 * A dead keeper's lock is free before its children are sent their death signals: in the kernel's
 * do_exit(), exit_files() comes before exit_notify(). So there may be somebody still.
 */
inline sweep(k) {
	d_step {
		keeper[k] == LIVES ->
		kill_tree(OTHER(k));
		if
		:: brain[OTHER(k)] == LIVES -> brain[OTHER(k)] = KILLED
		:: else
		fi
	};
	brain[OTHER(k)] == GONE
}

proctype Keeper(byte k) {
	mtype kind;
	byte generation;

	keeper[k] == LIVES;
#ifndef NO_SWEEP
	sweep(k);
#endif
	do
	:: d_step {
		keeper[k] == LIVES && nempty(to_keeper[k]) ->
		to_keeper[k]?kind, generation;
		on_message(k)
	}
	:: d_step { keeper[k] == LIVES && tree[k].main == ZOMBIE -> reap(k) }
	:: d_step { keeper[k] == LIVES && brain[k] == GONE && is_drained(k) -> start_brain(k) }
	od
}

/* The brain */

#ifdef RESTART_OVER_LEFTOVERS
#define may_restart(k) true
#else
#define may_restart(k) is_empty(k)
#endif

#define is_to_be_spawned(k) (record[k].up && !is_requested(k) && may_restart(k))

inline send_spawn(k, number) {
	d_step {
		nfull(to_keeper[k]) ->
		assert(!stopped[k]);
		to_keeper[k]!SPAWN, number
	}
}

inline spawn_next(k) {
#ifdef SPAWN_BEFORE_LEDGER
	is_to_be_spawned(k);
	send_spawn(k, record[k].generation + 1);
	record[k].generation++
#else
	d_step { is_to_be_spawned(k) -> record[k].generation++ };
	send_spawn(k, record[k].generation)
#endif
}

#ifdef COUNT_AGAIN
#define is_to_be_taken(k) (generation == record[k].generation)
#else
#define is_to_be_taken(k) (generation == record[k].generation && is_requested(k))
#endif

inline take_exit(k) {
	d_step {
		if
		:: is_to_be_taken(k) ->
			assert(owed[k] == generation);
			owed[k] = 0;
			record[k].taken = generation
		:: else
		fi
	}
}

inline acknowledge(k) {
	if
	:: to_keeper[k]!ACKNOWLEDGE, generation
	:: is_to_be_spawned(k) /* which acknowledges it, too */
	fi
}

inline on_exit(k) {
#ifdef ACKNOWLEDGE_BEFORE_LEDGER
	acknowledge(k);
	take_exit(k)
#else
	take_exit(k);
	acknowledge(k)
#endif
}

inline release_hold(k) {
	record[k].held = false;
	record[k].up = false;
	watches = false;
	stopped[k] = true
}

/*
 * A hold ends with the owner's process or with its connection, whichever is first (contract H2). So
 * what the owner has sent may be read after its hold was released, and is then too late.
 */
#ifdef OBEY_THE_DEAD
#define is_too_late false
#else
#define is_too_late (!owner_lives)
#endif

/* Holding again revives nothing that was stopped (contract H4). */
inline note_call(k) {
	if
	:: asked == STOP -> record[k].up = false
	:: asked == START && !is_too_late -> record[k].up = true
	:: asked == HOLD && !is_too_late && !record[k].held ->
		record[k].held = true;
		record[k].up = true;
		watches = true
	:: else
	fi
}

inline answer(k) {
	stopped[k] = stopped[k] || asked == STOP;
	call = ANSWERED
}

#define is_called(k) (name == k && (call == HOLD || call == STOP || call == START))

inline on_call(k) {
	d_step {
		is_called(k) ->
		asked = call;
#ifdef ANSWER_BEFORE_LEDGER
		answer(k)
#else
		note_call(k)
#endif
	};
	d_step {
#ifdef ANSWER_BEFORE_LEDGER
		note_call(k);
#else
		answer(k);
#endif
		asked = 0
	}
}

/* A record without an entry was never spawned: it is now, unless nobody wants it any more. */
#define is_missing(k) \
	(is_requested(k) && (state == FREE || generation < record[k].generation))

inline spawn_what_is_missing(k) {
	if
#ifndef NO_RESUME
	:: is_missing(k) && record[k].up -> send_spawn(k, record[k].generation)
#endif
	:: d_step { is_missing(k) && !record[k].up -> record[k].taken = record[k].generation }
	:: !is_missing(k)
	fi
}

#ifdef FORGET_HOLDER
#define is_taken_up(k) false
#else
#define is_taken_up(k) record[k].held
#endif

/* A holder that has left meanwhile is a hold released. */
inline take_up_hold(k) {
	watches = is_taken_up(k);
	if
	:: watches && !owner_lives -> release_hold(k)
	:: else
	fi
}

inline adopt(k) {
	d_step {
		to_brain[k]?TABLE, state, generation;
		take_up_hold(k)
	};
	if
	:: state == ENDED -> on_exit(k)
	:: else
	fi;
	spawn_what_is_missing(k);
	d_step {
		state = 0;
		generation = 0
	}
}

/* What is there although it is stopped, left over, or in no record: the kernel is asked. */
#define is_to_be_ended(k) ((!record[k].up || !is_requested(k)) && !is_empty(k))

inline serve(k) {
	do
	:: d_step {
		name == NOBODY ->
		name = k;
		name_is_new = true
	}
	:: on_call(k)
	:: d_step { watches && !owner_lives -> release_hold(k) }
	:: to_brain[k]?EXITED, _, generation ->
		on_exit(k);
		generation = 0
	:: spawn_next(k)
	:: d_step { is_to_be_ended(k) -> kill_tree(k) }
	od
}

/* By SIGKILL, or by the SIGUSR2 that comes of the keeper's death. */
inline end_brain(k) {
	d_step {
		if
		:: brain[k] == LIVES ->
			kill_tree(k);
			swept[k] = true
		:: else
		fi;
		if
		:: is_called(k) -> call = NO_REPLY
		:: else
		fi;
		if
		:: name == k -> name = NOBODY
		:: else
		fi;
		state = 0;
		asked = 0;
		generation = 0;
		watches = false;
		brain[k] = GONE
	}
}

#define is_widowed(k) (brain[k] == LIVES && bereaved[k])

proctype Brain(byte k) {
	mtype state, asked;
	byte generation;
	bool watches; /* the owner's connection and process */

	do
	:: {
			brain[k] == LIVES;
			adopt(k);
			serve(k)
		} unless {
			brain[k] == KILLED || is_widowed(k) -> end_brain(k)
		}
	od
}
