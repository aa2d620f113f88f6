/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * LastWordsRules
 *
 * How to add a row: take a real output, put it into tests/last-words/ with the line that it
 * should give, and write down here what that line looks like.
 *
 * A pattern is the whole line, where * stands for any text, also for none. Before it is compared
 * the line has lost its colours, its indentation and the bars of an exception group; a tab is a
 * space, and of a progress bar only what is seen last is left.
 *
 * Rows of one language stand together. The first language of which a row matches decides, and in
 * it the line that was written last: the inner one of nested causes. Of two rows that match the
 * same line the upper one counts. stderr is gone through first, then stdout. Where no row matches,
 * the last line is told: so a program whose last line says what is wrong needs no row.
 */

#include "model/last-words-rules.h"
#include "util/macro.h"

/* clang-format off */
const LastWordsRule last_words_rules[] = {
        /* The interpreter itself gives up: what follows are frames, in an order of their own. */
        { "Python's end", "Fatal Python error: *" },

        /* Where a traceback or a SyntaxError points to; the exception is outdented below. The
         * header is not asked for, since it may have scrolled away. */
        { "Python", "File \"*\", line *", TELL_OUTDENTED },
        { "Python", "*: can't open file '*': *" },
        { "Python", "*: Error while finding module specification for *" },

        /* Two before Node, since their frames look like its own. */
        { "Rust", "thread '*panicked at *:", TELL_WITH_NEXT }, /* since 1.73 */
        { "Rust", "thread '*panicked at '*" },
        { "Rust", "thread '*has overflowed its stack" },
        { "Rust", "memory allocation of * bytes failed" },
        { "Rust", "Caused by:",              TELL_BLOCK_END }, /* anyhow, eyre */

        { "Java", "Caused by: *",                             TELL_STAR },
        { "Java", "Exception in thread \"*\" *",              TELL_STAR },
        { "Java", "Error: Could not find or load main class *" },
        { "Java", "Error: Unable to access jarfile *" },
        { "Java", "Error: Invalid or corrupt jarfile *" },
        { "Java", "Error: LinkageError occurred while *",     TELL_WITH_NEXT },
        { "Java", "Error occurred during initialization of *", TELL_WITH_NEXT },
        { "Java", "Terminating due to java.lang.OutOfMemoryError: *" },
        { "Java", "# There is insufficient memory for the Java Runtime *", TELL_WITH_NEXT },
        { "Java", "# A fatal error has been detected by the Java Runtime *" },

        { ".NET", "---> *",                                TELL_STAR },
        { ".NET", "Unhandled exception. *",                TELL_STAR },
        { ".NET", "Unhandled Exception: *",                TELL_STAR },

        { "Node", "[cause]: *",                   TELL_STAR, "at *" },
        { "Node", "*Error: *",                    TELL_LINE, "at *" },
        { "Node", "*Error [*]: *",                TELL_LINE, "at *" },
        { "Node", "UnhandledPromiseRejection: *" },
        { "Node", "*",                            TELL_LINE, "(Use `node --trace-uncaught *" },
        { "Node", "FATAL ERROR: *" },
        { "Node", "node: bad option: *" },

        { "Go", "panic: *" },
        { "Go", "fatal error: *" },

        /* Before the loader, whose words it repeats. */
        { "PyInstaller", "[PYI-*:ERROR] *",              TELL_STAR },
        { "PyInstaller", "*Error loading Python lib *" },
        { "PyInstaller", "*Cannot open self *" },

        /* ld.so(8) and the shell about a program that cannot even begin. */
        { "loader", "*: error while loading shared libraries: *" },
        { "loader", "*: version `*' not found (required by *" },
        { "loader", "*: symbol lookup error: *" },
        { "loader", "*: relocation error: *" },
        { "loader", "Inconsistency detected by ld.so: *" },
        { "loader", "*: cannot execute: *" },
        { "loader", "*: cannot execute binary file*" },
        { "loader", "*: bad interpreter: *" },

        { "C", "malloc(): *" },
        { "C", "free(): *" },
        { "C", "realloc(): *" },
        { "C", "munmap_chunk(): *" },
        { "C", "double free or corruption*" },
        { "C", "corrupted size vs. prev_size*" },
        { "C", "corrupted double-linked list*" },
        { "C", "*** stack smashing detected ***: *" },
        { "C", "*** buffer overflow detected ***: *" },
        { "C", "*: Assertion `*' failed." },
        { "C", "SUMMARY: *Sanitizer: *" },
        { "C", "*: runtime error: *" },
        { "C", "*Segmentation fault*" },

        { "C++", "terminate called after throwing *", TELL_WITH_NEXT, "what(): *" },
        { "C++", "terminate called *" },
        { "C++", "libc++abi: *" },

        { "address in use", "*ddress already in use*" },
        { "address in use", "*ddress in use*" },
        { "address in use", "*EADDRINUSE*" },
        { "address in use", "*Port * was already in use*" },
        { "address in use", "*ort * is already in use*" },
        { "address in use", "*ort * is in use*" },
        { "address in use", "*Connection in use: *" }, /* gunicorn */

        { "GPU memory", "*CUDA out of memory*" },
        { "GPU memory", "*HIP out of memory*" },
        { "GPU memory", "*CUDA error*out of memory*" },
        { "GPU memory", "*cudaMalloc failed: *" },
        { "GPU memory", "*CUDA_ERROR_OUT_OF_MEMORY*" },
        { "GPU", "*CUDA driver version is insufficient*" },
        { "GPU", "*no CUDA-capable device is detected*" },

        { "Ruby", "*:*:in *: * (*)" },
        { "Ruby", "*: No such file or directory -- * (LoadError)" },

        { "PHP", "PHP Fatal error: *" },
        { "PHP", "PHP Parse error: *" },
        { "PHP", "Fatal error: *" },

        { "Perl", "*syntax error at * line *, near *" },
        { "Perl", "* at * line *." },

        { "Tcl", "*", TELL_LINE, "while executing" },

        { "uvicorn", "ERROR:    *",   TELL_STAR },
        { "gunicorn", "[*] [*] [ERROR] *", TELL_STAR },
        { "nginx", "* [emerg] *: *",  TELL_STAR },
        { "PostgreSQL", "*] FATAL:  *", TELL_STAR },
        { "PostgreSQL", "*: could not access directory *" },
        { "PostgreSQL", "\"root\" execution of the PostgreSQL server is not permitted." },

        /* Whose cause is followed by what the script does on its way out. */
        { "shell", "*: line *: *" },
        { "shell", "*env: *: No such file or directory" },
        { "shell", "*: command not found" },
        { "shell", "*: *: not found" },
};
const size_t n_last_words_rules = ELEMENTSOF(last_words_rules);

const LastWordsNoise last_words_noise[] = {
        { "Python", "Exception ignored in: *", true }, /* at the end, about what is torn down */
        { "Python", "Exception ignored in atexit callback: *", true },
        { "Python", "Extension modules: *" },
        { "PyInstaller", "[*] Failed to execute script '*" }, /* the traceback is there, too */
        { "Node", "Node.js v*" },
        { "Node", "(Use `node --trace-*" },
        { "Rust", "note: run with `RUST_BACKTRACE=*" },
        { "Rust", "note: Some details are omitted, *" },
        { "Rust", "called `Result::unwrap()` on an `Err` value: Any { .. }" }, /* of a thread */
        { "Rust", "fatal runtime error: *" },
        { "Go", "goroutine * [*]:" },
        { "Go", "exit status *" },
        { "Java", "Error: Could not create the Java Virtual Machine." },
        { "Java", "Error: A fatal exception has occurred. Program will exit." },
        { "Perl", "BEGIN failed--compilation aborted at *" },
        { "Perl", "Execution of * aborted due to compilation errors." },
        { "Perl", "Compilation failed in require at *" },
        { "PHP", "thrown in * on line *" },
        { "redis", "* # Failed listening on port *, aborting." },
        { "uvicorn", "ERROR:    Application startup failed. Exiting." },
        { "uvicorn", "INFO:     *" },
        { "gunicorn", "[*] [*] [ERROR] Retrying in 1 second." },
        { "nginx", "* still could not bind()" },
        { "shell", "Aborted*" },
};
const size_t n_last_words_noise = ELEMENTSOF(last_words_noise);
/* clang-format on */
