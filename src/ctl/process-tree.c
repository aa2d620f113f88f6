/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ProcessTree
 *
 * A pid may be used again between the reply and the look into /proc; what is shown then is a
 * wrong branch for a moment, so that no more is done about it.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/process-tree.h"
#include "util/macro.h"

#define DEPTH_MAX 32

/* The fourth field of proc(5) stat; the second may have any character, even a parenthesis. */
static pid_t parent_of(pid_t pid) {
        _cleanup_close_ int fd = -1;
        char path[32], text[512];
        const char *end;
        ssize_t n;
        int parent;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return 0;

        text[n] = '\0';
        end = strrchr(text, ')');
        return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

int process_tree_read(ProcessTree *tree, sd_bus *bus, const char *path) {
        const char *command;
        Process *grown;
        uint32_t pid;
        int r;

        r = client_call(bus, &tree->reply, path, INTERFACE_SIDECAR, "GetProcesses", NULL);
        if (r != 0)
                return r;

        r = sd_bus_message_enter_container(tree->reply, 'a', "(us)");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(tree->reply, "(us)", &pid, &command)) > 0) {
                grown = reallocarray(tree->processes, tree->n_processes + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                tree->processes = grown;
                grown[tree->n_processes++] =
                        (Process){ (pid_t) pid, parent_of((pid_t) pid), command };
        }

        return r;
}

void process_tree_done(ProcessTree *tree) {
        sd_bus_message_unref(tree->reply);
        free(tree->processes);
}

static bool has(const ProcessTree *tree, pid_t pid) {
        for (size_t i = 0; i < tree->n_processes; i++)
                if (tree->processes[i].pid == pid)
                        return true;

        return false;
}

/* parent 0: those whose parent is no part of the tree. */
static bool is_child(const ProcessTree *tree, const Process *process, pid_t parent) {
        return parent > 0 ? process->parent == parent : !has(tree, process->parent);
}

static size_t next_child(const ProcessTree *tree, size_t from, pid_t parent) {
        while (from < tree->n_processes && !is_child(tree, &tree->processes[from], parent))
                from++;

        return from;
}

typedef struct Branch {
        const ProcessTree *tree;
        const Screen *screen;
        unsigned indent;
        bool is_first; /* nothing has been printed yet */
        char prefix[DEPTH_MAX * sizeof("│ ")];
} Branch;

static int print_process(Branch *branch, const Process *process, const char *glyph) {
        const Screen *screen = branch->screen;
        _cleanup_free_ char *text = NULL, *line = NULL;

        if (asprintf(&text, "%s%s%d %s", branch->prefix, glyph, (int) process->pid,
                     process->command) < 0)
                return -ENOMEM;

        line = screen_fit(screen, text,
                          screen->n_columns > branch->indent ? screen->n_columns - branch->indent
                                                             : 1);
        if (!line)
                return -ENOMEM;

        (void) printf("%*s%s\n", branch->is_first ? 0 : (int) branch->indent, "", line);
        branch->is_first = false;
        return 0;
}

/* Recursion ends at DEPTH_MAX: a chain of forks longer than that is cut, not the stack. */
static int print_children(Branch *branch, pid_t parent, unsigned depth) {
        const ProcessTree *tree = branch->tree;
        const Screen *screen = branch->screen;
        size_t length = strlen(branch->prefix), next;
        int r = 0;

        for (size_t i = next_child(tree, 0, parent); r == 0 && i < tree->n_processes; i = next) {
                bool is_root = depth == 0, is_last;

                next = next_child(tree, i + 1, parent);
                is_last = next == tree->n_processes;
                r = print_process(
                        branch, &tree->processes[i],
                        is_root ? ""
                                : screen_glyph(screen, is_last ? GLYPH_LAST_BRANCH : GLYPH_BRANCH));
                if (r < 0 || depth + 1 >= DEPTH_MAX)
                        continue;
                if (!is_root)
                        (void) strcpy(branch->prefix + length,
                                      is_last ? "  " : screen_glyph(screen, GLYPH_TRUNK));
                r = print_children(branch, tree->processes[i].pid, depth + 1);
                branch->prefix[length] = '\0';
        }

        return r;
}

int process_tree_print(const ProcessTree *tree, const Screen *screen, unsigned indent) {
        Branch branch = { .tree = tree, .screen = screen, .indent = indent, .is_first = true };

        return print_children(&branch, 0, 0);
}

void process_tree_write(const ProcessTree *tree, JsonWriter *writer) {
        json_open(writer, '[');
        for (size_t i = 0; i < tree->n_processes; i++) {
                json_open(writer, '{');
                json_member_unsigned(writer, "pid", (uint64_t) tree->processes[i].pid);
                json_member_unsigned(writer, "parent", (uint64_t) tree->processes[i].parent);
                json_member(writer, "command", tree->processes[i].command);
                json_close(writer, '}');
        }
        json_close(writer, ']');
}
